# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What people and the clock do with jobs in Valkey or Redis, as Lua scripts; see `_valkey_scripts`."""

from __future__ import annotations

from ._valkey_scripts import HEAD

# id, token, what the task said.
PROGRESS = (
    HEAD
    + """
local job = load(ARGV[1])
if not job or job.f ~= ARGV[2] or job.s ~= 'running' then return 0 end
call('HSET', P .. ':j:' .. ARGV[1], 'l', ARGV[3])
return 1
"""
)

# id, retention of cancelled ones.
CANCEL = (
    HEAD
    + """
local job = load(ARGV[1])
if not job then return {} end
if job.s == 'running' then
  call('HSET', P .. ':j:' .. ARGV[1], 'c', '1')
elseif job.s == 'queued' or job.s == 'retrying' then
  take_away(ARGV[1], job)
  local before = call('HGETALL', P .. ':j:' .. ARGV[1])
  finish(ARGV[1], job, 'cancelled', tonumber(ARGV[2]), 'c', '1')
  flush()
  if tonumber(ARGV[2]) <= 0 then
    for _, part in ipairs({'s', 'cancelled', 'z', int(now), 'h', int(now)}) do
      before[#before + 1] = part
    end
    return before
  end
end
return call('HGETALL', P .. ':j:' .. ARGV[1])
"""
)

# id. Answers the job, or only the id of another one that has its unique key.
REPLAY = (
    HEAD
    + """
local id = ARGV[1]
local job, key = load(id), P .. ':j:' .. id
if not job then return {} end
local finished = job.s == 'failed' or job.s == 'cancelled'
local waits = job.s == 'queued' or job.s == 'retrying'
if finished and job.k ~= '' then
  local holder = call('HGET', P .. ':u', job.k)
  if holder and holder ~= id then return {holder} end
  call('HSET', P .. ':u', job.k, id)
end
if finished then
  call('ZREM', P .. ':z:' .. job.s .. ':' .. job.q, id)
  call('ZREM', P .. ':x', id)
  call('HSET', key, 's', 'queued', 'a', 0, 'd', int(now))
  call('HDEL', key, 'z', 'h', 'y', 'l', 'c', 'g', 'w')
end
if finished or (waits and call('ZREM', P .. ':d:' .. job.q, id) == 1) then
  call('HSET', key, 'd', int(now))
  ready(id, job.q, job.p)
  wake(job.q)
end
return call('HGETALL', key)
"""
)

# retention of dead letters, of cancelled ones, error of those whose worker died, how many at most.
# Answers ids of new dead letters.
RECLAIM = (
    HEAD
    + """
local dead, most = {}, tonumber(ARGV[4])
for _, queue in ipairs(call('SMEMBERS', P .. ':q')) do
  local line, returned = P .. ':l:' .. queue, false
  for _, id in ipairs(call('ZRANGEBYSCORE', line, '-inf', int(now), 'LIMIT', 0, most)) do
    call('ZREM', line, id)
    local job = load(id)
    if job and job.c == '1' then
      finish(id, job, 'cancelled', tonumber(ARGV[2]), 'y', ARGV[3])
    elseif job and tonumber(job.a) >= tonumber(job.m) then
      finish(id, job, 'failed', tonumber(ARGV[1]), 'y', ARGV[3])
      dead[#dead + 1] = id
    elseif job then
      call('HSET', P .. ':j:' .. id, 's', 'retrying', 'y', ARGV[3])
      call('ZADD', P .. ':r:' .. queue .. ':' .. job.p, job.d, id)
      returned = true
    end
  end
  if returned then wake(queue) end
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. ':x', '-inf', int(now), 'LIMIT', 0, most)) do
  local job = load(id)
  if job then drop(id, job) else call('ZREM', P .. ':x', id) end
end
flush()
return dead
"""
)

# ids: deletes those that are finished and answers how many that were.
PURGE = (
    HEAD
    + """
local count = 0
for _, id in ipairs(ARGV) do
  local job = load(id)
  if job and (job.s == 'succeeded' or job.s == 'failed' or job.s == 'cancelled') then
    drop(id, job)
    count = count + 1
  end
end
flush()
return count
"""
)

# Answers for each queue: name, ready, delayed, running, failed, milliseconds that the oldest waited.
STATS = (
    HEAD
    + """
local answer = {}
for _, queue in ipairs(call('SMEMBERS', P .. ':q')) do
  local due = call('ZCOUNT', P .. ':d:' .. queue, '-inf', int(now))
  local waiting, since = due, now
  local first = call('ZRANGE', P .. ':d:' .. queue, 0, 0, 'WITHSCORES')
  if first[2] then since = math.min(since, tonumber(first[2])) end
  for _, priority in ipairs({'1', '0', '-1'}) do
    local line, ahead = P .. ':s:' .. queue .. ':' .. priority, P .. ':r:' .. queue .. ':' .. priority
    waiting = waiting + call('XLEN', line) + call('ZCARD', ahead)
    local entry = call('XRANGE', line, '-', '+', 'COUNT', 1)[1]
    if entry then since = math.min(since, tonumber(string.match(entry[1], '%d+'))) end
    local returned = call('ZRANGE', ahead, 0, 0, 'WITHSCORES')
    if returned[2] then since = math.min(since, tonumber(returned[2])) end
  end
  local n, delayed = #answer, call('ZCARD', P .. ':d:' .. queue) - due
  answer[n + 1], answer[n + 2], answer[n + 3] = queue, waiting, delayed
  answer[n + 4], answer[n + 5] = call('ZCARD', P .. ':l:' .. queue), call('ZCARD', P .. ':z:failed:' .. queue)
  answer[n + 6] = int(now - since)
end
return answer
"""
)

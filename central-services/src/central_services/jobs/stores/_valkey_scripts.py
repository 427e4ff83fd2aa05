# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What Valkey or Redis does with jobs, as Lua scripts: each step is atomic, by the server's clock.

Keys, all in one cluster slot (KEYS[1], the prefix, holds the hash tag; `q` a queue, `p` a priority):

    j:<id>      hash    a job; its fields stand in `_valkey_records.py`
    s:<q>:<p>   stream  jobs that can start, one line per priority
    r:<q>:<p>   zset    the same, ahead of that line: given back, or of a worker that died; by due time
    d:<q>       zset    jobs that wait for their time, by due time
    l:<q>       zset    jobs that run, by the end of their lease
    z:<s>:<q>   zset    finished jobs by state, by the time they were enqueued
    k:<q>       stream  its newest entry wakes workers
    a, x        zsets   all jobs by the time they were enqueued; finished ones by the end of retention
    u           hash    unique key -> the job that has it
    q           set     queues
    t:<q>       string  when the next job of a queue with a rate limit may start (GCRA)

There is no consumer group: its list of pending entries knows neither deadlines per job nor fencing
nor priorities, and a script that takes entries off a line and writes their leases needs no second
list to be safe. Times are milliseconds.
"""

from __future__ import annotations

HEAD = """
local P = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local call = redis.call
local function int(number) return string.format('%.0f', number) end

-- Writes that nothing reads before the end: as one command a key, since each goes to the server's log.
local later, order = {}, {}
local function append(command, key, first, second)
  local name = command .. key
  local line = later[name]
  if not line or #line > 4000 then
    line = {command, key}
    later[name] = line
    order[#order + 1] = line
  end
  line[#line + 1] = first
  line[#line + 1] = second
end
local function flush()
  for _, line in ipairs(order) do call(unpack(line)) end
end

local function wake(queue)
  call('XADD', P .. ':k:' .. queue, 'MAXLEN', 1, '*', 'w', 1)
end

-- Let a job start now, at the end of its line.
local function ready(id, queue, priority)
  local entry = call('XADD', P .. ':s:' .. queue .. ':' .. priority, '*', 'j', id)
  call('HSET', P .. ':j:' .. id, 'e', entry)
end

-- Forget where a job waits or runs.
local function take_away(id, job)
  call('ZREM', P .. ':d:' .. job.q, id)
  call('ZREM', P .. ':l:' .. job.q, id)
  call('ZREM', P .. ':r:' .. job.q .. ':' .. job.p, id)
  if job.e and job.e ~= '' then call('XDEL', P .. ':s:' .. job.q .. ':' .. job.p, job.e) end
end

local function release(id, job)
  if job.k and job.k ~= '' and call('HGET', P .. ':u', job.k) == id then
    append('HDEL', P .. ':u', job.k)
  end
end

local function drop(id, job)
  release(id, job)
  append('ZREM', P .. ':z:' .. job.s .. ':' .. job.q, id)
  append('ZREM', P .. ':a', id)
  append('ZREM', P .. ':x', id)
  append('UNLINK', P .. ':j:' .. id)
end

local function finish(id, job, state, retain, field, value)
  release(id, job)
  if retain <= 0 then return drop(id, job) end
  local expires = now + retain
  call('HSET', P .. ':j:' .. id, 's', state, 'z', int(now), 'h', int(expires), 'e', '', field, value)
  append('ZADD', P .. ':z:' .. state .. ':' .. job.q, job.n, id)
  append('ZADD', P .. ':x', int(expires), id)
end

local FIELDS = {'q', 'p', 's', 'f', 'k', 'e', 'n', 'd', 'a', 'm', 'c'}
local function load(id)
  local got = call('HMGET', P .. ':j:' .. id, unpack(FIELDS))
  if not got[1] then return nil end
  local job = {}
  for i, name in ipairs(FIELDS) do job[name] = got[i] end
  return job
end
"""

# For each job: id, queue, priority, attempts, unique key, delay, nonce, body.
ENQUEUE = (
    HEAD
    + """
local answer, woken, taken, made = {}, {}, {}, {}
for i = 1, #ARGV, 8 do
  local id, queue, priority, unique = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local delay, nonce = tonumber(ARGV[i + 5]), ARGV[i + 6]
  local key = P .. ':j:' .. id
  local known, holder = call('HGET', key, 'u'), false
  if not known and unique ~= '' then holder = taken[unique] or call('HGET', P .. ':u', unique) end
  if known then
    answer[#answer + 1] = id
    -- The same call once more, because its answer was lost.
    answer[#answer + 1] = known == nonce and not made[id] and 1 or 0
    made[id] = true
  elseif holder then
    answer[#answer + 1] = holder
    answer[#answer + 1] = 0
  else
    -- Microseconds, and no two the same: lists are in this order.
    local entry, enqueued = '', clock[1] * 1000000 + clock[2] + i
    if delay > 0 then
      append('ZADD', P .. ':d:' .. queue, int(now + delay), id)
    else
      entry = call('XADD', P .. ':s:' .. queue .. ':' .. priority, '*', 'j', id)
    end
    call('HSET', key, 'q', queue, 'p', priority, 'm', ARGV[i + 3], 'k', unique, 'u', nonce,
      'b', ARGV[i + 7], 's', 'queued', 'a', 0, 'f', 0, 'n', int(enqueued), 'd', int(now + delay), 'e', entry)
    if unique ~= '' then
      taken[unique] = id
      append('HSET', P .. ':u', unique, id)
    end
    made[id] = true
    append('ZADD', P .. ':a', int(enqueued), id)
    if not woken[queue] then
      woken[queue] = true
      call('SADD', P .. ':q', queue)
    end
    answer[#answer + 1] = id
    answer[#answer + 1] = 1
  end
end
flush()
for queue in pairs(woken) do wake(queue) end
return answer
"""
)

# worker, lease, limit; for each queue: name, microseconds per start (0: no limit), burst.
# Answers the time, the milliseconds until something may be due (-1: nothing waits), and for each job:
# id, token, attempt, attempts, milliseconds waited, queue, body.
CLAIM = (
    HEAD
    + """
local worker, lease, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local micros = clock[1] * 1000000 + clock[2]
local answer, soonest = {int(now), 0}, -1
local function sooner(wait)
  if soonest < 0 or wait < soonest then soonest = math.max(1, wait) end
end

local function promote(queue)
  local line = P .. ':d:' .. queue
  for _, id in ipairs(call('ZRANGEBYSCORE', line, '-inf', int(now), 'LIMIT', 0, 256)) do
    call('ZREM', line, id)
    local priority = call('HGET', P .. ':j:' .. id, 'p')
    if priority then ready(id, queue, priority) end
  end
  local first = call('ZRANGE', line, 0, 0, 'WITHSCORES')
  if first[2] then sooner(tonumber(first[2]) - now) end
end

-- How many may start now, by the generic cell rate algorithm (ITU-T I.371).
local function allowed(queue, period, burst, wanted)
  if period == 0 then return wanted end
  local ahead = math.max(0, tonumber(call('GET', P .. ':t:' .. queue) or 0) - micros)
  local free = math.floor((burst * period - ahead) / period)
  if free < wanted then sooner(math.ceil((ahead - (burst - 1) * period) / 1000)) end
  return math.max(0, math.min(free, wanted))
end

local function spend(queue, period, count)
  if period == 0 or count == 0 then return end
  local ahead = math.max(0, tonumber(call('GET', P .. ':t:' .. queue) or 0) - micros) + count * period
  call('SET', P .. ':t:' .. queue, int(micros + ahead), 'PX', math.ceil(ahead / 1000) + 1)
end

local function start(id, queue)
  local key = P .. ':j:' .. id
  local got = call('HMGET', key, 'f', 'a', 'm', 'd', 'b')
  if not got[1] then return 0 end
  local token, attempt = got[1] + 1, got[2] + 1
  call('HSET', key, 's', 'running', 'f', token, 'a', attempt, 'g', int(now), 'w', worker, 'e', '', 'c', '')
  append('ZADD', P .. ':l:' .. queue, int(now + lease), id)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = id, token, attempt, got[3]
  answer[n + 5], answer[n + 6], answer[n + 7] = int(math.max(0, now - got[4])), queue, got[5]
  return 1
end

local function take(queue, wanted)
  local taken = 0
  for _, priority in ipairs({'1', '0', '-1'}) do
    local ahead = call('ZPOPMIN', P .. ':r:' .. queue .. ':' .. priority, wanted - taken)
    for i = 1, #ahead, 2 do taken = taken + start(ahead[i], queue) end
    if taken < wanted then
      local line, entries = P .. ':s:' .. queue .. ':' .. priority, {}
      for i, entry in ipairs(call('XRANGE', line, '-', '+', 'COUNT', wanted - taken)) do
        entries[i] = entry[1]
        taken = taken + start(entry[2][2], queue)
      end
      if #entries > 0 then call('XDEL', line, unpack(entries)) end
    end
    if taken >= wanted then break end
  end
  return taken
end

local queues = (#ARGV - 3) / 3
local share = math.ceil(room / queues)
for round = 1, 2 do
  for i = 4, #ARGV, 3 do
    local queue, period, burst = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    if round == 1 then promote(queue) end
    local wanted = allowed(queue, period, burst, math.min(room, round == 1 and share or room))
    if wanted > 0 then
      local taken = take(queue, wanted)
      spend(queue, period, taken)
      room = room - taken
    end
  end
  if room <= 0 or queues == 1 then break end
end
flush()
answer[2] = int(soonest)
return answer
"""
)

# retention of cancelled ones; for each: id, token, state, result or error, delay, retention.
COMPLETE = (
    HEAD
    + """
local answer, woken = {}, {}
for i = 2, #ARGV, 6 do
  local id, token, state, text = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local delay, retain = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local job, key = load(id), P .. ':j:' .. id
  if not job or job.f ~= token then
    answer[#answer + 1] = 0
  elseif job.s ~= 'running' then
    -- The same call once more, because its answer was lost; or one that came too late.
    answer[#answer + 1] = job.s == state and 1 or 0
  else
    answer[#answer + 1] = 1
    append('ZREM', P .. ':l:' .. job.q, id)
    local again = state == 'retrying' or state == 'queued'
    if again and job.c == '1' then
      finish(id, job, 'cancelled', tonumber(ARGV[1]), 'y', text)
    elseif state == 'retrying' then
      call('HSET', key, 's', state, 'y', text, 'd', int(now + delay))
      call('ZADD', P .. ':d:' .. job.q, int(now + delay), id)
      woken[job.q] = true
    elseif state == 'queued' then
      call('HSET', key, 's', job.a == '1' and 'queued' or 'retrying', 'a', job.a - 1)
      call('ZADD', P .. ':r:' .. job.q .. ':' .. job.p, job.d, id)
      woken[job.q] = true
    else
      if state == 'cancelled' then retain = tonumber(ARGV[1]) end
      finish(id, job, state, retain, state == 'succeeded' and 'v' or 'y', text)
    end
  end
end
flush()
for queue in pairs(woken) do wake(queue) end
return answer
"""
)

# lease; for each: id, token. Answers 0: no longer held, 1: held, 2: held, and to be cancelled.
HEARTBEAT = (
    HEAD
    + """
local answer, lease = {}, tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local job = load(ARGV[i])
  if not job or job.f ~= ARGV[i + 1] or job.s ~= 'running' then
    answer[#answer + 1] = 0
  else
    append('ZADD', P .. ':l:' .. job.q, int(now + lease), ARGV[i])
    answer[#answer + 1] = job.c == '1' and 2 or 1
  end
end
flush()
return answer
"""
)

# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What happens on the server in one step, as Lua scripts for Valkey and Redis 5 and later.

KEYS are the generation of the namespace, the value, and the lock of the value. A value begins with
its format and the generation that it was written under; under any other it counts as not there, which
deletes a namespace of any size with one write. A generation is random, so that one that the server
lost never comes back and brings old values to life.
"""

from __future__ import annotations

FORMAT = b"1"
GENERATION_CHARS = 16

# ARGV: a new generation, its milliseconds.
_GENERATION = """
local generation = redis.call('GET', KEYS[1])
if not generation or #generation ~= 16 then
  generation = ARGV[1]
end
redis.call('SET', KEYS[1], generation, 'PX', ARGV[2])
"""

# And: token, milliseconds of the lock. Answers the value, or {generation, whether it was granted}.
LEASE = (
    _GENERATION
    + """
local value = redis.pcall('GET', KEYS[2])
if type(value) == 'string' and string.sub(value, 1, 17) == '1' .. generation then
  return value
end
local granted = redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4])
return {generation, granted and 1 or 0}
"""
)

# And: value, its milliseconds. Other processes that are loading it lose their lock.
WRITE = (
    _GENERATION
    + """
redis.call('SET', KEYS[2], '1' .. generation .. ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[3])
return 1
"""
)

# ARGV: token, generation, value, its milliseconds.
FILL = """
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[3])
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[2], '1' .. ARGV[2] .. ARGV[3], 'PX', ARGV[4])
return 1
"""

# KEYS: the lock. ARGV: token, milliseconds; 0 gives it back.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  if ARGV[2] == '0' then
    return redis.call('DEL', KEYS[1])
  end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""

# KEYS: a hash. ARGV: its milliseconds, then names and what they grow by.
COUNT = """
for i = 2, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

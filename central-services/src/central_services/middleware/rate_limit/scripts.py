# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rate-limit algorithms as Lua scripts, for Valkey and Redis 5 and later.

A script decides for many keys in one call, atomically, by the server's clock, so that processes
with different clocks agree. Every number is an integer of microseconds or requests, exact in Lua's
doubles. ARGV holds two numbers per quota and, last, one byte per key that says which quota it is
counted by. The answer is one string, `left microseconds` for each key, because parsing an array
costs the client more than the decision. A left of -1 is a refusal.
"""

from __future__ import annotations

from math import ceil
from typing import Literal

from .quota import Quota

AlgorithmName = Literal["token-bucket", "fixed-window", "sliding-window"]

_EACH_KEY = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local chosen = ARGV[#ARGV]
local answer = {}
for i, key in ipairs(KEYS) do
  local quota = 2 * string.byte(chosen, i)
  local a, b = tonumber(ARGV[quota + 1]), tonumber(ARGV[quota + 2])
  local left, wait
"""
_NEXT_KEY = """
  answer[i] = string.format('%d %.0f', left, wait)
end
return table.concat(answer, ' ')
"""

# a: microseconds per request, b: microseconds that the bucket may be ahead.
_GCRA = """
  local ahead = math.max(0, tonumber(redis.call('GET', key) or now) - now)
  if ahead > b then
    left, wait = -1, ahead - b
  else
    left, wait = math.floor((b - ahead) / a), ahead + a
    redis.call('SET', key, string.format('%.0f', now + wait), 'PX', math.ceil(wait / 1000))
  end
"""

# a: requests per window, b: microseconds of a window.
_WINDOWS = """
  local window = math.floor(now / b)
  local rest = (window + 1) * b - now
  local at, previous, current = string.match(redis.call('GET', key) or '', '(%d+) (%d+) (%d+)')
  at, previous, current = tonumber(at), tonumber(previous), tonumber(current)
  if at ~= window then
    previous = at == window - 1 and current or 0
    current = 0
  end
"""
_KEEP = """
    local value = string.format('%.0f %d %d', window, previous, current + 1)
"""
_FIXED_WINDOW = (
    _WINDOWS
    + """
  if current >= a then
    left, wait = -1, rest
  else
    left, wait = a - current - 1, rest
"""
    + _KEEP
    + """
    redis.call('SET', key, value, 'PX', math.ceil(rest / 1000))
  end
"""
)
_SLIDING_WINDOW = (
    _WINDOWS
    + """
  local free = (a - 1) * b
  local used = previous * rest + current * b
  if used <= free then
    left, wait = math.floor((free - used) / b), rest
"""
    + _KEEP
    + """
    redis.call('SET', key, value, 'PX', math.ceil((rest + b) / 1000))
  elseif current <= a - 1 then
    left, wait = -1, math.ceil(rest - (free - current * b) / previous)
  else
    left, wait = -1, math.ceil(rest + b - free / current)
  end
"""
)

SCRIPTS: dict[AlgorithmName, str] = {
    "token-bucket": _EACH_KEY + _GCRA + _NEXT_KEY,
    "fixed-window": _EACH_KEY + _FIXED_WINDOW + _NEXT_KEY,
    "sliding-window": _EACH_KEY + _SLIDING_WINDOW + _NEXT_KEY,
}


def parameters(algorithm: AlgorithmName, quota: Quota) -> tuple[int, int]:
    """Return the two numbers by which a script knows a quota.

    The period is rounded up, so that the limit is never exceeded by rounding.
    """
    if algorithm != "token-bucket":
        return quota.limit, ceil(quota.window * 1e6)
    period = ceil(quota.period * 1e6)
    burst = quota.limit if quota.burst is None else quota.burst
    return period, (burst - 1) * period

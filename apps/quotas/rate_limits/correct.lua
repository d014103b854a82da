-- Replaces what calls took by what they cost, each at its own instant. Strangers, and those that are over, stay as they are.
--
-- KEYS   for each correction: its scope's log and amounts, as in rates_take.lua
-- ARGV   slice, many entries; for each correction its call and its amount
--
-- Once there are many entries, a call that is corrected joins the others of its slice, at the latest instant of them.

local slice, many = tonumber(ARGV[1]), tonumber(ARGV[2])

local function correct(log, amounts, call, amount)
  local old, instant = redis.call('HGET', amounts, call), redis.call('ZSCORE', log, call)
  if not (old and instant) then return end
  redis.call('HINCRBY', amounts, '', amount - old)
  if amount > 0 and redis.call('ZCARD', log) <= many then
    redis.call('HSET', amounts, call, amount)
    return
  end
  redis.call('ZREM', log, call)
  redis.call('HDEL', amounts, call)
  if amount == 0 then return end
  local name = string.format('slice:%.0f', math.floor(instant / slice))
  local latest = redis.call('ZSCORE', log, name)
  redis.call('ZADD', log, math.max(instant, latest or 0), name)
  redis.call('HINCRBY', amounts, name, amount)
end

for i = 1, #KEYS, 2 do correct(KEYS[i], KEYS[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])) end

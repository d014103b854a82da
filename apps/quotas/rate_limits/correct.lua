-- Replaces what calls were admitted with by what they cost, at the same instant. Unknown ids and those whose minute is
-- over change nothing.
--
-- KEYS   for each correction: its scope's log and amounts, as in admit.lua
-- ARGV   slice, many entries; for each correction its id and its amount
--
-- Once there are many entries, a corrected call joins the others of its slice, at the latest instant among them.

local slice, many = tonumber(ARGV[1]), tonumber(ARGV[2])

local function correct(log, amounts, id, amount)
  local old, instant = redis.call('HGET', amounts, id), redis.call('ZSCORE', log, id)
  if not (old and instant) then return end
  redis.call('HINCRBY', amounts, '', amount - old)
  if amount > 0 and redis.call('ZCARD', log) <= many then
    redis.call('HSET', amounts, id, amount)
    return
  end
  redis.call('ZREM', log, id)
  redis.call('HDEL', amounts, id)
  if amount == 0 then return end
  local name = string.format('slice:%.0f', math.floor(instant / slice))
  local latest = redis.call('ZSCORE', log, name)
  redis.call('ZADD', log, math.max(instant, latest or 0), name)
  redis.call('HINCRBY', amounts, name, amount)
end

for i = 1, #KEYS, 2 do correct(KEYS[i], KEYS[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])) end

-- Takes a call's tokens from all of its scopes or from none: everything is looked at before anything is added.
--
-- KEYS   for each scope: its log, a sorted set of names by instant; the amounts of these names, and under '' their sum
-- ARGV   call, now or '' for this server's clock, window, slice, most entries, amount; for each scope its limit
-- Reply  now; for each scope what stood before the call: used, due, newest
--
-- What leaves the window leaves both keys. A call that is taken twice counts once. What lies in the future is dropped: a
-- clock that was set back must not lock anybody out. Either key may have been evicted: then the window starts anew.

local call, window, slice, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local amount = tonumber(ARGV[6])
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function drop(log, amounts, names)
  for _, name in ipairs(names) do
    local old = redis.call('HGET', amounts, name)
    if old then
      redis.call('HDEL', amounts, name)
      redis.call('HINCRBY', amounts, '', '-' .. old)
    end
    redis.call('ZREM', log, name)
  end
end

local function used_within(log, amounts)
  drop(log, amounts, {call})
  drop(log, amounts, redis.call('ZRANGEBYSCORE', log, '-inf', now - window))
  drop(log, amounts, redis.call('ZRANGEBYSCORE', log, string.format('(%.0f', now), '+inf'))
  if redis.call('ZCARD', log) == 0 then
    redis.call('DEL', amounts)
    return 0
  end
  return tonumber(redis.call('HGET', amounts, '') or 0)
end

local function due(log, amounts, excess)
  local rank = 0
  while excess > 0 do
    local some = redis.call('ZRANGE', log, rank, rank + 99, 'WITHSCORES')
    if #some == 0 then return now end
    for i = 1, #some, 2 do
      excess = excess - tonumber(redis.call('HGET', amounts, some[i]) or 0)
      if excess <= 0 then return tonumber(some[i + 1]) end
    end
    rank = rank + 100
  end
  return 0
end

local function add(log, amounts)
  local name = call
  if redis.call('ZCARD', log) >= most then name = string.format('slice:%.0f', math.floor(now / slice)) end
  redis.call('ZADD', log, now, name)
  redis.call('HINCRBY', amounts, name, amount)
  redis.call('HINCRBY', amounts, '', amount)
  redis.call('PEXPIRE', log, math.ceil(window / 1000))
  redis.call('PEXPIRE', amounts, math.ceil(window / 1000))
end

local reply, has_room = {now}, true
for i = 1, #KEYS, 2 do
  local log, amounts, limit = KEYS[i], KEYS[i + 1], tonumber(ARGV[6 + (i + 1) / 2])
  local used, newest = used_within(log, amounts), 0
  if used > 0 then newest = tonumber(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')[2]) end
  has_room = has_room and used + amount <= limit
  for _, number in ipairs({used, due(log, amounts, used + amount - limit), newest}) do reply[#reply + 1] = number end
end

if has_room then
  for i = 1, #KEYS, 2 do add(KEYS[i], KEYS[i + 1]) end
end
return reply

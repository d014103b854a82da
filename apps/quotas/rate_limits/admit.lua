-- Admits an amount in all of its scopes or in none: everything is looked at before anything is added.
--
-- KEYS   for each scope: its log, a sorted set of names by instant; the amounts of these names, and their sum under '';
--        its places, a sorted set of open requests by the end of their lease
-- ARGV   id, now or '' for this server's clock, lease, amount; for each scope its two limits, or '', and its window
-- Reply  now; for each scope how it stood before: used, due, newest, open
--
-- Instants and spans are microseconds, which a double holds exactly. The same id counts once. What lies in the future
-- is dropped too: a clock that was set back must not lock anybody out. One of a log's two keys may have been evicted;
-- then its window starts anew. Written for Redis 6.2.

local id, lease, amount = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
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

local function used_within(window, log, amounts)
  drop(log, amounts, {id})
  drop(log, amounts, redis.call('ZRANGEBYSCORE', log, '-inf', now - window))
  drop(log, amounts, redis.call('ZRANGEBYSCORE', log, string.format('(%.0f', now), '+inf'))
  if redis.call('ZCARD', log) == 0 then
    redis.call('DEL', amounts)
    return 0
  end
  return tonumber(redis.call('HGET', amounts, '') or 0)
end

local function newest(log)
  return tonumber(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')[2] or 0)
end

-- The instant of the entry with which so much has left; 0 if nothing has to.
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

local function open_requests(places)
  redis.call('ZREM', places, id)
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', places, string.format('(%.0f', now + lease), '+inf')
  return redis.call('ZCARD', places)
end

local function add(key, score, span)
  redis.call('ZADD', key, score, id)
  redis.call('PEXPIRE', key, math.ceil(span / 1000))
end

local function add_amount(amounts, window)
  redis.call('HINCRBY', amounts, id, amount)
  redis.call('HINCRBY', amounts, '', amount)
  redis.call('PEXPIRE', amounts, math.ceil(window / 1000))
end

local function limits(i)
  local at = i + 4
  return tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
end

local reply, has_room = {now}, true
for i = 1, #KEYS, 3 do
  local log, amounts, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local per_minute, at_once, window = limits(i)
  local count = {0, 0, 0, 0}
  if per_minute then
    local used = used_within(window, log, amounts)
    count = {used, due(log, amounts, used + amount - per_minute), newest(log), 0}
    has_room = has_room and used + amount <= per_minute
  end
  if at_once then
    count[4] = open_requests(places)
    has_room = has_room and count[4] < at_once
  end
  for _, number in ipairs(count) do reply[#reply + 1] = number end
end

if has_room then
  for i = 1, #KEYS, 3 do
    local per_minute, at_once, window = limits(i)
    if per_minute then
      add(KEYS[i], now, window)
      add_amount(KEYS[i + 1], window)
    end
    if at_once then add(KEYS[i + 2], now + lease, lease) end
  end
end
return reply

-- Admits a request to all of its scopes or to none: everything is looked at before anything is added.
--
-- KEYS   for each scope: its log, a sorted set of requests by instant; its places, one of open requests by lease's end
-- ARGV   request, now or '' for this server's clock, window, lease; for each scope its two limits, or ''
-- Reply  now; for each scope what stood before the request: used, due, newest, open
--
-- Instants and spans are microseconds, which a double holds exactly. A request that is sent twice counts once. What
-- lies in the future is dropped as well: a clock that was set back must not lock anybody out. Written for Redis 6.2.

local request, window, lease = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function size_within(key, after, until_)
  redis.call('ZREM', key, request)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', after)
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', until_), '+inf')
  return redis.call('ZCARD', key)
end

local function instant(log, rank)
  return tonumber(redis.call('ZRANGE', log, rank, rank, 'WITHSCORES')[2])
end

local function add(key, score, span)
  redis.call('ZADD', key, score, request)
  redis.call('PEXPIRE', key, math.ceil(span / 1000))
end

local reply, has_room = {now}, true
for i = 1, #KEYS, 2 do
  local per_minute, at_once = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local used, due, newest, open = 0, 0, 0, 0
  if per_minute then
    used = size_within(KEYS[i], now - window, now)
    if used > 0 then newest = instant(KEYS[i], -1) end
    if used >= per_minute then
      due = instant(KEYS[i], used - per_minute)
      has_room = false
    end
  end
  if at_once then
    open = size_within(KEYS[i + 1], now, now + lease)
    has_room = has_room and open < at_once
  end
  for _, number in ipairs({used, due, newest, open}) do reply[#reply + 1] = number end
end

if has_room then
  for i = 1, #KEYS, 2 do
    if ARGV[i + 4] ~= '' then add(KEYS[i], now, window) end
    if ARGV[i + 5] ~= '' then add(KEYS[i + 1], now + lease, lease) end
  end
end
return reply

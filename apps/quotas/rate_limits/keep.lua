-- Gives places back and renews the leases of others; whatever is gone, as after a flush, is there again.
--
-- KEYS   the processes that count here, by lease's end; for each place the scope's places
-- ARGV   process, now or '' for this server's clock, lease, how many places are given back; for each place its request
-- Reply  how many processes count here

local lease, given_back = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function renew(key, member)
  redis.call('ZADD', key, now + lease, member)
  redis.call('PEXPIRE', key, math.ceil(lease / 1000))
end

for i = 2, #KEYS do
  local request = ARGV[i + 3]
  if i - 1 <= given_back then
    redis.call('ZREM', KEYS[i], request)
  else
    renew(KEYS[i], request)
  end
end
renew(KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])

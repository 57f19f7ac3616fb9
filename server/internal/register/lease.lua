-- Renews a server's lease, and rewrites what is known of its sessions. Redis's own
-- clock is the only one that counts.
--
-- KEYS: the servers, by the time their lease ends; this server's sessions.
-- ARGV: the server; the lease in milliseconds; then client ID and number of
-- sessions, for each client that has any.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("DEL", KEYS[2])
for i = 3, #ARGV, 2 do
  redis.call("HSET", KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return 0

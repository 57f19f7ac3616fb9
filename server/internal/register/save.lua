-- Changes clients' records.
--
-- KEYS: the index, then the hash of each client.
-- ARGV: seven for each client: its ID; "1" to be told its record; when it was seen;
-- number and stamp, value and stamp, where not set empty and 0.
-- Returns for each client 0, or: 1 if it had a record before, else 0; number, its
-- stamp, value, its stamp; when it was seen.
local replies = {}
for i = 1, #KEYS - 1 do
  local key, a = KEYS[i + 1], (i - 1) * 7
  local id, tell, seen = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local number, number_at, value, value_at = ARGV[a + 4], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7]
  local was = redis.call("HMGET", key, "number_at", "value_at", "seen")
  if not was[1] then
    redis.call("HSET", key, "number", 1, "number_at", 0, "value", 0, "value_at", 0, "seen", 0)
    redis.call("ZADD", KEYS[1], id, id)
  end
  -- The newer write wins, whichever server it comes from and however late.
  local set = {key}
  if number ~= "" and tonumber(number_at) > tonumber(was[1] or 0) then
    set[2], set[3], set[4], set[5] = "number", number, "number_at", number_at
  end
  if value ~= "" and tonumber(value_at) > tonumber(was[2] or 0) then
    local n = #set
    set[n + 1], set[n + 2], set[n + 3], set[n + 4] = "value", value, "value_at", value_at
  end
  if tonumber(seen) > tonumber(was[3] or 0) then
    local n = #set
    set[n + 1], set[n + 2] = "seen", seen
  end
  if #set > 1 then
    redis.call("HSET", unpack(set))
  end
  if tell == "1" then
    local is = redis.call("HMGET", key, "number", "number_at", "value", "value_at", "seen")
    replies[i] = {was[1] and 1 or 0, is[1], is[2], is[3], is[4], is[5]}
  else
    replies[i] = 0
  end
end
return replies

-- Changes clients' records.
--
-- KEYS: the index, then the hash of each client.
-- ARGV: eight for each client: its ID; "1" to be told its record; when it was seen at
-- gRPC and at the legacy door, 0 where it was not; number and stamp, value and stamp,
-- where not set empty and 0.
-- Returns for each client 0, or: 1 if it had a record before, else 0; number, its
-- stamp, value, its stamp; when it was seen at gRPC and at the legacy door.
local doors = {"seen_grpc", "seen_legacy"}
local replies = {}
for i = 1, #KEYS - 1 do
  local key, a = KEYS[i + 1], (i - 1) * 8
  local id, tell = ARGV[a + 1], ARGV[a + 2]
  local number, number_at, value, value_at = ARGV[a + 5], ARGV[a + 6], ARGV[a + 7], ARGV[a + 8]
  local was = redis.call("HMGET", key, "number_at", "value_at", unpack(doors))
  if not was[1] then
    redis.call("HSET", key, "number", 1, "number_at", 0, "value", 0, "value_at", 0, "seen_grpc", 0, "seen_legacy", 0)
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
  for door, field in ipairs(doors) do
    local seen = ARGV[a + 2 + door]
    if tonumber(seen) > tonumber(was[2 + door] or 0) then
      local n = #set
      set[n + 1], set[n + 2] = field, seen
    end
  end
  if #set > 1 then
    redis.call("HSET", unpack(set))
  end
  if tell == "1" then
    local is = redis.call("HMGET", key, "number", "number_at", "value", "value_at", unpack(doors))
    replies[i] = {was[1] and 1 or 0, is[1], is[2], is[3], is[4], is[5], is[6]}
  else
    replies[i] = 0
  end
end
return replies

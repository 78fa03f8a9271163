-- Memory entries of SESSIONS sessions, each a key of its own.
local sessions = tonumber(os.getenv("SESSIONS") or "1000")
local headers = { ["Content-Type"] = "application/json" }
local set = 0
math.randomseed(os.time())
local run = math.random(1, 1e9)

function request()
  set = set + 1
  local body = '{"session_id":"s' .. set % sessions ..
    '","value":{"file":"api/auth.py","finding":"the token is checked twice"},"type":"fact","tags":["auth"]}'
  return wrk.format("PUT", "/memory/finding-" .. run .. "-" .. set, headers, body)
end

-- Messages between SESSIONS sessions, no two alike.
local sessions = tonumber(os.getenv("SESSIONS") or "1000")
local headers = { ["Content-Type"] = "application/json" }
local sent = 0
math.randomseed(os.time())
local run = math.random(1, 1e9)

function request()
  sent = sent + 1
  local from = sent % sessions
  local body = '{"from_session":"s' .. from .. '","to_session":"s' .. (from * 7 + 1) % sessions ..
    '","subject":"what I found","body":"finding ' .. run .. '/' .. sent .. ' in api/auth.py"}'
  return wrk.format("POST", "/messages", headers, body)
end

-- Heartbeats of SESSIONS sessions, PER_PROJECT to a project, spread over all of them; with TOKEN, by its bearer.
local sessions = tonumber(os.getenv("SESSIONS") or "1000")
local per_project = tonumber(os.getenv("PER_PROJECT") or "10")
local headers = { ["Content-Type"] = "application/json" }
local token = os.getenv("TOKEN")
if token then headers["Authorization"] = "Bearer " .. token end
math.randomseed(7)

function request()
  local s = math.random(0, sessions - 1)
  local body = '{"project":"github.com/acme/p' .. math.floor(s / per_project) .. '"}'
  return wrk.format("POST", "/sessions/s" .. s .. "/heartbeat", headers, body)
end

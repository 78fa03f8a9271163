-- Messages within PROJECTS projects of ten sessions each, from pFIRST on, in turn; each names its project as our client does.
local first = tonumber(os.getenv("FIRST") or "0")
local projects = tonumber(os.getenv("PROJECTS") or "30")
local sent = 0
math.randomseed(os.time() + first)
local run = math.random(1, 1e9)

function request()
  sent = sent + 1
  local project = first + sent % projects
  local from = math.floor(sent / projects) % 10
  local headers = {
    ["Content-Type"] = "application/json",
    ["Hallway-Here"] = "user=alice&project=github.com%2Facme%2Fp" .. project,
  }
  local body = '{"from_session":"s' .. project * 10 + from .. '","to_session":"s' .. project * 10 + (from + 1) % 10 ..
    '","subject":"what I found","body":"finding ' .. run .. '/' .. sent .. ' in api/auth.py"}'
  return wrk.format("POST", "/messages", headers, body)
end

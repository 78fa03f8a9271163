// The part that hallway's plugins for OpenCode and pi share: running the hook, and looking whether something is due.
// Written by `hallway install`; `hallway uninstall` removes it. A hook that fails is a hook that had nothing to report.
import { spawn } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"

const HALLWAY = "HALLWAY"
const LIMIT_MS = 5000
const LOOK_EVERY_MS = 1000 // at the gate files of idle sessions

let hookRuns = 0

// Run the hook with a payload and return its answer as an object, empty if there is none.
const runHook = (payload) =>
  new Promise((resolve) => {
    try {
      const [program, ...words] = HALLWAY.command
      const hook = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"] })
      const late = setTimeout(() => hook.kill("SIGKILL"), LIMIT_MS)
      let output = ""
      hook.stdout.on("data", (part) => (output += part))
      hook.stdin.on("error", () => {})
      hook.on("error", () => resolve({}))
      hook.on("close", () => {
        clearTimeout(late)
        try {
          resolve(output ? JSON.parse(output) : {})
        } catch {
          resolve({})
        }
      })
      hookRuns += 1 // the same event twice is two events
      hook.stdin.end(JSON.stringify({ count: hookRuns, ...payload }))
    } catch {
      resolve({})
    }
  })

// The time of a session's gate file (hook_gate.py), NaN if there is none.
const gateTime = (id) => {
  try {
    return HALLWAY.gates === null ? NaN : statSync(join(HALLWAY.gates, id)).mtimeMs
  } catch {
    return NaN
  }
}

const isQuiet = (id) => gateTime(id) > Date.now()
// Whether no edit of a session needs a check: no other session has claimed anything, or checks are switched off.
const areEditsFree = (id) => process.env.HALLWAY_CLAIMS === "off" || gateTime(`${id}.edits`) > Date.now()
const isMarkedDue = (id) => gateTime(id) < 1000

// Ask for news of idle sessions when their gate files are marked as due; `ask(id)` returns the hook's answer,
// `wake(id, prompt)` starts a turn. Returns the timer.
const watchIdle = (idle, ask, wake) => {
  const retryAt = new Map() // when to ask again for a session that may not be woken yet
  const look = async () => {
    for (const id of idle) {
      if (!isMarkedDue(id) && !(retryAt.get(id) <= Date.now())) continue
      retryAt.delete(id)
      const { prompt, retry_after_s } = await ask(id)
      if (retry_after_s) retryAt.set(id, Date.now() + retry_after_s * 1000)
      if (prompt && idle.has(id)) await wake(id, prompt)
    }
  }
  let isLooking = false
  const timer = setInterval(async () => {
    if (isLooking) return
    isLooking = true
    await look().catch(() => {})
    isLooking = false
  }, LOOK_EVERY_MS)
  timer.unref?.()
  return timer
}

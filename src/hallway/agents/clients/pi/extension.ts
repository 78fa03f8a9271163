// hallway in pi: reports what happens in a session, adds what is new to its agent's context, and offers hallway's tools.
const EDITS = new Set(["edit", "write"])
const SHELL = "bash"
const CALL_LIMIT_MS = 60_000 // a tool may wait for an answer that long
const START_LIMIT_MS = 5000

// The MCP server of this session: a child process that answers one JSON-RPC message per line.
class ToolServer {
  answers = new Map()
  count = 0
  rest = ""

  constructor() {
    const [program, ...words] = HALLWAY.server
    this.process = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"] })
    this.process.stdout.setEncoding("utf8")
    this.process.stdout.on("data", (part) => this.read(part))
    this.process.stdin.on("error", () => {})
    this.process.on("error", () => this.close())
    this.process.on("close", () => this.close())
    this.process.unref()
    for (const pipe of [this.process.stdin, this.process.stdout]) pipe.unref?.()
  }

  read(part) {
    const lines = (this.rest + part).split("\n")
    this.rest = lines.pop()
    for (const line of lines.filter(Boolean)) {
      const { id, result, error } = JSON.parse(line)
      const settle = this.answers.get(id)
      this.answers.delete(id)
      settle?.(result, error && new Error(error.message))
    }
  }

  send(message) {
    this.process.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n")
  }

  ask(method, params, limit, signal) {
    const id = ++this.count
    return new Promise((resolve, reject) => {
      const settle = (result, error) => {
        clearTimeout(timer)
        this.answers.delete(id)
        error ? reject(error) : resolve(result)
      }
      const timer = setTimeout(() => settle(null, new Error(`hallway has not answered in ${limit / 1000} s`)), limit)
      signal?.addEventListener("abort", () => settle(null, new Error("aborted")), { once: true })
      this.answers.set(id, settle)
      this.send({ id, method, params })
    })
  }

  close() {
    for (const settle of [...this.answers.values()]) settle(null, new Error("hallway's server has ended"))
    this.process.stdin.end()
  }
}

// Offer the server's tools, and return the server and its instructions; without a server there are no tools.
const offerTools = async (pi) => {
  try {
    const server = new ToolServer()
    const client = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "pi", version: "1" } }
    const { instructions } = await server.ask("initialize", client, START_LIMIT_MS)
    server.send({ method: "notifications/initialized" })
    const { tools } = await server.ask("tools/list", {}, START_LIMIT_MS)
    for (const tool of tools) {
      pi.registerTool({
        name: `hallway_${tool.name}`,
        label: `hallway ${tool.name}`,
        description: tool.description,
        parameters: tool.inputSchema,
        execute: async (_id, params, signal, _update, context) => {
          const sessionId = context.sessionManager.getSessionId()
          const call = { name: tool.name, arguments: params, _meta: { sessionId } }
          const { content, isError } = await server.ask("tools/call", call, CALL_LIMIT_MS, signal)
          if (isError) throw new Error(content.map((each) => each.text).join("\n"))
          return { content, details: {} }
        },
      })
    }
    return { server, instructions }
  } catch {
    return {}
  }
}

// Why a turn is over, and the text about it: the last answer, or the error.
const ending = (messages: any[]) => {
  const last = [...(messages ?? [])].reverse().find((each) => each.role === "assistant")
  const answer = last?.content?.find?.((each: any) => each.type === "text")?.text ?? ""
  if (last?.stopReason === "aborted") return { reason: "interrupted" }
  if (last?.stopReason !== "error") return { reason: "done", detail: answer }
  const detail = last.errorMessage ?? answer
  return { reason: /429|rate.?limit|quota/i.test(detail) ? "limited" : "error", detail }
}

export default async function (pi) {
  const idle = new Set() // this session's id while its turn is over
  let timer
  const warnings = new Map() // about calls that are about to run
  let atStart = "" // what the start had to show, until the first prompt
  const { server, instructions } = await offerTools(pi)

  const report = (context, kind, more = {}) =>
    runHook({
      cwd: context.cwd,
      hook_event_name: kind,
      session_id: context.sessionManager.getSessionId(),
      name: context.sessionManager.getSessionName?.(),
      ...more,
    })

  pi.on("session_start", async (event, context) => {
    const { text } = await report(context, "start", { source: event.reason })
    atStart = text ?? ""
    const wake = async (id, prompt) => {
      idle.delete(id)
      pi.sendUserMessage(prompt)
    }
    if (context.hasUI) timer = watchIdle(idle, () => report(context, "news"), wake)
  })

  pi.on("before_agent_start", async (event, context) => {
    idle.clear()
    const { text } = await report(context, "prompt", { prompt: event.prompt })
    const content = [atStart, text].filter(Boolean).join("\n\n")
    atStart = ""
    return {
      ...(content && { message: { customType: "hallway", content, display: true } }),
      ...(instructions && { systemPrompt: `${event.systemPrompt}\n\n${instructions}` }),
    }
  })

  pi.on("tool_call", async (event, context) => {
    const isChecked = EDITS.has(event.toolName) || event.toolName === SHELL
    if (!isChecked || areEditsFree(context.sessionManager.getSessionId())) return
    const { denied, text } = await report(context, "edit", { tool_name: event.toolName, tool_input: event.input })
    if (denied) return { block: true, reason: denied }
    if (text) warnings.set(event.toolCallId, text)
  })

  pi.on("tool_result", async (event, context) => {
    const texts = [warnings.get(event.toolCallId)].filter(Boolean)
    warnings.delete(event.toolCallId)
    if (EDITS.has(event.toolName) || !isQuiet(context.sessionManager.getSessionId())) {
      const { text } = await report(context, "tool", { tool_name: event.toolName, tool_input: event.input })
      if (text) texts.push(text)
    }
    if (texts.length) return { content: [...event.content, ...texts.map((text) => ({ type: "text", text }))] }
  })

  pi.on("agent_end", async (event, context) => {
    const { prompt } = await report(context, "stop", ending(event.messages))
    if (prompt) pi.sendUserMessage(prompt, { deliverAs: "followUp" })
    else idle.add(context.sessionManager.getSessionId())
  })

  pi.on("session_shutdown", async (event, context) => {
    clearInterval(timer)
    await report(context, "end", { reason: event.reason })
    server?.close()
  })
}

import type { Outcome } from "./Night.js"

const NAMES = { evertoken: "`@evertoken/mcp`", sdk: "the SDK's provider, in a JSON file", "mcp-remote": "`mcp-remote`" }

/** What came of each side, as a table of Markdown. */
export const tableOf = (outcomes: ReadonlyArray<Outcome>): string => {
  const rows: ReadonlyArray<readonly [string, (outcome: Outcome) => string]> = [
    ["calls", ({ calls }) => count(calls)],
    [
      "calls that failed",
      ({ calls, failed }) => (failed === 0 ? "0" : `${count(failed)} (${((100 * failed) / calls).toFixed(1)} %)`)
    ],
    ["reuse alarms", ({ alarms }) => count(alarms)],
    ["logins lost", ({ logins }) => count(logins)],
    ["login pages that opened", ({ pages }) => count(pages)],
    ["token requests", ({ tokenRequests }) => count(tokenRequests)]
  ]
  return [
    `| | ${outcomes.map(({ side }) => NAMES[side]).join(" | ")} |`,
    `|---|${outcomes.map(() => "---|").join("")}`,
    ...rows.map(([name, of]) => `| ${name} | ${outcomes.map(of).join(" | ")} |`)
  ].join("\n")
}

const count = (value: number) => value.toLocaleString("en")

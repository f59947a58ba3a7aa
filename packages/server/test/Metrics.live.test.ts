import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { readExposition } from "./Exposition.js"
import { raw } from "./Raw.js"
import { start } from "./Service.js"
import { serving } from "./Serving.js"

describe("/metrics", () => {
  it.scopedLive("has every family from the start, at zero, in Prometheus' format", () =>
    Effect.gen(function* () {
      const { call } = yield* serving
      const { headers, text } = yield* call("/metrics")
      assert.strictEqual(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      const families = readExposition(text)
      assert.deepStrictEqual([...families.keys()], FAMILIES)
      for (const [name, { samples, type }] of families) {
        assert.isNotEmpty(samples, name)
        const isOurs = name.startsWith("evertoken_") && type !== "gauge"
        if (isOurs)
          assert.isTrue(
            samples.every(({ value }) => value === 0),
            name
          )
      }
      const value = (name: string) => families.get(name)?.samples[0]?.value ?? Number.NaN
      const health = families.get("evertoken_connections")?.samples.map(({ labels, value }) => [labels.health, value])
      assert.deepStrictEqual(
        health,
        ["ok", "idle", "failing", "down", "soon", "login", "unreadable"].map((one) => [one, 0])
      )
      assert.strictEqual(value("evertoken_oldest_due_seconds"), 0)
      assert.strictEqual(value("evertoken_nearest_login_seconds"), Number.POSITIVE_INFINITY)
      assert.strictEqual(value("evertoken_build_info"), 1)
      assert.isTrue(Math.abs(value("process_start_time_seconds") - Date.now() / 1_000) < 60)
      assert.isTrue(value("process_resident_memory_bytes") > 10_000_000)
      assert.isTrue(value("process_cpu_seconds_total") > 0)
      assert.isTrue(value("nodejs_eventloop_lag_seconds") < 30)
    })
  )

  it.scopedLive("is what the docs say: each metric in a table, and no alert on one that is not there", () =>
    Effect.gen(function* () {
      const { call } = yield* start()
      const families = readExposition((yield* call("/metrics")).text)
      const exposed = [...families.keys()]
      assert.deepStrictEqual(namesIn(sections("operations.md", "Metrics")), FAMILIES)
      const inLibrary = namesIn(sections("observability.md", "Metrics"))
      assert.isAtLeast(inLibrary.length, 7)
      for (const name of inLibrary)
        assert.isTrue(
          [name, `${name}_total`].some((one) => exposed.includes(one)),
          name
        )
      const alerts = sections("operations.md", "Alerts")
      for (const name of namesIn(alerts)) assert.include(exposed, name)
      const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(alerts) ?? []
      const rules = readRules(yaml)
      assert.strictEqual(rules.length, 5)
      const health = new Set(families.get("evertoken_connections")?.samples.map(({ labels }) => labels.health))
      for (const { alert, expr } of rules) {
        assert.isNotEmpty(namesIn(expr), alert)
        assert.include(alerts, `### ${alert}\n`)
        const [, wanted = ""] = /health=~"([^"]+)"/.exec(expr) ?? []
        for (const one of wanted.split("|")) assert.isTrue(one === "" || health.has(one), one)
      }
    })
  )

  it.scopedLive("counts what happens, by labels that no caller can make up", () =>
    Effect.gen(function* () {
      const { call, url } = yield* serving
      const wrong = Redacted.make("evk_wrong")
      yield* call("/v1/token?key=billing")
      yield* call("/v1/token?key=nobody", { as: wrong })
      for (let at = 0; at < 30; at++) yield* call(`/made-up-${at}`)
      for (let at = 0; at < 10; at++) yield* raw(url, `MADEUP${at} /health HTTP/1.1\r\nHost: x\r\n\r\n`)
      yield* call("/v1/token", { method: "PATCH" })
      const past = { key: "a", accessToken: "a", refreshToken: "r", expiresIn: 5_000, refreshTokenExpiresIn: 10_000 }
      yield* call("/v1/token", { method: "PUT", body: JSON.stringify(past) })
      const { text } = yield* call("/metrics")
      const families = readExposition(text)
      const value = (name: string, labels: Record<string, string> = {}) =>
        families
          .get(name)
          ?.samples.find((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))?.value
      const answers = (route: string, method: string, status: string) =>
        value("evertoken_http_requests_total", { route, method, status })
      assert.strictEqual(answers("/v1/token", "GET", "200"), 1)
      assert.strictEqual(answers("/v1/token", "GET", "401"), 1)
      assert.strictEqual(answers("/v1/token", "PUT", "200"), 1)
      assert.strictEqual(answers("/v1/token", "other", "405"), 1)
      assert.strictEqual(answers("other", "other", "404"), 30)
      assert.strictEqual(value("evertoken_api_keys_refused_total"), 1)
      assert.strictEqual(value("evertoken_refreshes_total", { outcome: "refreshed" }), 1)
      assert.strictEqual(value("evertoken_refresh_duration_seconds"), 0)
      assert.isTrue((value("evertoken_connections", { health: "ok" }) ?? 0) >= 1)
      const login = value("evertoken_nearest_login_seconds") ?? 0
      assert.isTrue(login > 9_900 && login <= 10_000, `${login}`)
      assert.notInclude(text, "made-up")
      assert.notInclude(text, "MADEUP")
    })
  )
})

/** The sections of a page of the docs that begin with these titles. */
const sections = (page: string, ...titles: ReadonlyArray<string>) =>
  readFileSync(new URL(`../../../docs/${page}`, import.meta.url), "utf8")
    .split(/^(?=## )/m)
    .filter((section) => titles.some((title) => section.startsWith(`## ${title}\n`)))
    .join("")

const namesIn = (text: string) => [...new Set(text.match(/\b(?:evertoken|process|nodejs)_[a-z_]+/g) ?? [])].sort()

/** What of a file of Prometheus' rules is looked at here; `promtool check rules` looks at the rest. */
const readRules = (yaml: string): ReadonlyArray<{ readonly alert: string; readonly expr: string }> =>
  createRequire(import.meta.url)("js-yaml")
    .load(yaml)
    .groups.flatMap((group: { rules: unknown }) => group.rules)

const FAMILIES = [
  "evertoken_api_keys_refused_total",
  "evertoken_build_info",
  "evertoken_connections",
  "evertoken_http_requests_total",
  "evertoken_nearest_login_seconds",
  "evertoken_oldest_due_seconds",
  "evertoken_refresh_duration_seconds",
  "evertoken_refreshes_total",
  "evertoken_rejections_total",
  "evertoken_store_errors_total",
  "evertoken_waits_total",
  "evertoken_worker_claims_total",
  "evertoken_worker_outcomes_total",
  "nodejs_eventloop_lag_seconds",
  ...(process.platform === "linux" ? ["process_max_fds", "process_open_fds"] : []),
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_start_time_seconds"
].sort()

import { existsSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import type { Authority } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { chromium, type Page, type Route } from "playwright-core"
import { environment, start } from "./Service.js"

const browser = [process.env.EVERTOKEN_TEST_CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (path) => path !== undefined && path !== "" && existsSync(path)
)
const why = browser === undefined ? " (skipped: there is no Chromium here; EVERTOKEN_TEST_CHROMIUM can name one)" : ""

describe.skipIf(browser === undefined)(`the status page in a real browser${why}`, () => {
  it.scopedLive(
    "shows nothing before signing in, then each connection, live; with no secret in it, and no name turned around",
    () =>
      Effect.gen(function* () {
        const { admin, authority, call, reader, url } = yield* start()
        const minted = yield* authority.mint()
        const secrets = [
          Redacted.value(minted.accessToken),
          Redacted.value(minted.refreshToken),
          Redacted.value(admin),
          ...Object.values(environment)
        ]
        yield* login(call, "acme/app", minted)
        yield* login(call, "dead/app", { ...minted, refreshToken: Redacted.make("never-issued") })
        yield* login(call, "evil\u202egnp.exe\n/app", minted)
        const dead = (yield* call("/v1/token?key=dead/app")).json
        yield* call(`/v1/token?key=dead/app&rejected=${dead.generation}`)
        yield* Effect.promise(async () => {
          const chrome = await chromium.launch({ executablePath: browser ?? "", args: ["--no-sandbox"] })
          try {
            const errors: Array<string> = []
            const elsewhere: Array<string> = []
            const page = await chrome.newPage({ viewport: { width: 390, height: 740 } })
            page.on("console", (message) => message.type() === "error" && errors.push(message.text()))
            page.on("pageerror", (error) => errors.push(error.message))
            page.on("request", (request) => request.url().startsWith(url) || elsewhere.push(request.url()))
            await page.goto(url)
            await page.waitForSelector("#in:not([hidden])")
            assert.notInclude(await page.content(), "acme")
            await page.fill("#key", Redacted.value(reader))
            await page.click("#in button")
            await page.waitForSelector("text=This API key may not watch")
            await page.fill("#key", Redacted.value(admin))
            await page.click("#in button")
            await page.waitForSelector("text=acme/app")
            await page.waitForSelector("text=needs a login")
            await page.waitForSelector("text=invalid_grant")
            await page.waitForSelector("text=healthy")
            const wide = await page.evaluate(
              "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert.strictEqual(wide, 0)
            if (shots !== undefined) await page.screenshot({ path: `${shots}/phone.png` })
            await page.setViewportSize({ width: 1280, height: 720 })
            if (shots !== undefined) await page.screenshot({ path: `${shots}/desktop.png` })
            await Effect.runPromise(login(call, "new/app", minted))
            await page.waitForSelector("text=new/app", { timeout: 4_000 })
            assert.include(await page.textContent("body"), "evil\\u{202e}gnp.exe\\u{a}/app")
            const content = await page.content()
            assert.notInclude(content, "\u202e")
            for (const secret of secrets) assert.notInclude(content, secret)
            const late = await chrome.newPage()
            await late.addInitScript("const now=Date.now;Date.now=()=>now()+3_600_000")
            await signIn(late, url, admin)
            await late.waitForSelector("text=/^expires in \\d+ (s|min)$/")
            await late.close()
            await page.click("#out")
            await page.waitForSelector("#in:not([hidden])")
            assert.strictEqual(await page.locator("text=acme/app").count(), 0)
            assert.deepStrictEqual(elsewhere, [])
            assert.deepStrictEqual(
              errors.filter((text) => !text.includes("403")),
              []
            )
          } finally {
            await chrome.close()
          }
        })
      })
  )

  it.scopedLive("says where it lists only the first 5000 connections", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* start()
      yield* Effect.promise(async () => {
        const chrome = await chromium.launch({ executablePath: browser ?? "", args: ["--no-sandbox"] })
        try {
          for (const [total, says] of [
            [4_999, "4999 healthy"],
            [5_001, "5000 healthy; the first 5000 by name, there are more"]
          ] as const) {
            const page = await chrome.newPage()
            await page.route("**/v1/connections*", list(total))
            await signIn(page, url, admin)
            await page.waitForSelector("text=/^\\d+ healthy/")
            assert.strictEqual(await page.locator("#sum").textContent(), says)
            assert.strictEqual(await page.locator("#list li").count(), Math.min(total, 5_000))
            await page.close()
          }
        } finally {
          await chrome.close()
        }
      })
    })
  )
})

const signIn = async (page: Page, url: string, admin: Redacted.Redacted) => {
  await page.goto(url)
  await page.fill("#key", Redacted.value(admin))
  await page.click("#in button")
}

/** Answers as a service with `total` connections does. */
const list = (total: number) => (route: Route) => {
  const after = Number(new URL(route.request().url()).searchParams.get("after") ?? 0)
  const last = Math.min(total, after + 500)
  const connections = Array.from({ length: last - after }, (_, at) => ({
    ...{ key: `k${after + at}`, health: "ok", generation: 1, failures: 0 }
  }))
  return route.fulfill({ json: { connections, next: connections.length > 0 ? String(last) : undefined } })
}

const shots = process.env.EVERTOKEN_TEST_SCREENSHOTS

const login = (
  call: Effect.Effect.Success<ReturnType<typeof start>>["call"],
  key: string,
  tokens: Pick<Effect.Effect.Success<ReturnType<Authority["Type"]["mint"]>>, "accessToken" | "refreshToken">
) => {
  const secrets = { accessToken: Redacted.value(tokens.accessToken), refreshToken: Redacted.value(tokens.refreshToken) }
  return call("/v1/token", { method: "PUT", body: JSON.stringify({ key, ...secrets, expiresIn: 300 }) })
}

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type { DurationOption } from "../model/Options.js"
import { TokenSet } from "../model/TokenSet.js"
import { type FakeScript, makeScript } from "./FakeScript.js"
import { Grants, type Minted } from "./Grants.js"

/** How the tokens of a fake behave. */
export interface FakeTokenOptions {
  /**
   * How long access tokens live; `Duration.infinity` where nobody says.
   * @default "1 hour"
   */
  readonly expiresIn?: DurationOption | undefined
  /**
   * Whether each refresh gives a new refresh token and spends the old one, whether it stays the same, or whether there
   * is none at all.
   * @default "rotate"
   */
  readonly refreshTokens?: "rotate" | "stay" | "none" | undefined
  /**
   * The clock of the authorization server, by which tokens end.
   * @default the clock of the program that asks
   */
  readonly clock?: Clock.Clock | undefined
}

/** What a request comes to in time. */
export interface FakeDelay {
  /** How long it takes until the work is done. Nothing is done of a request that is given up before. */
  readonly takes?: DurationOption | undefined
  /** How much longer the answer takes. The work of a request that is given up then is done all the same. */
  readonly answersAfter?: DurationOption | undefined
  /** The work is done, and the answer gets lost. */
  readonly lost?: boolean | undefined
}

/** One request as a fake saw it. */
export interface FakeRequest {
  readonly by: "login" | "refresh" | "revoke"
  /** The refresh token that was presented: `refresh-1`, and so on. */
  readonly presented: string | undefined
  /**
   * `ok`; `lost`; the class of the error, or where it came over HTTP its code or status; `pending` until that is known;
   * `given up` where the caller went before the answer.
   */
  readonly outcome: string
  /** Where it came over HTTP: the grant type, or what else was asked for. */
  readonly asks?: string | undefined
  /** Where it came over HTTP: the client. */
  readonly client?: string | undefined
}

/**
 * An authorization server in memory. Its tokens are `access-1`, `refresh-1` and so on; each refresh token works once, and
 * one that comes again ends its grant and the access tokens of it.
 */
export interface FakeAuthority<Step> extends FakeScript<Step> {
  /** Every request so far, the oldest first. */
  readonly log: ReadonlyArray<FakeRequest>
  /** What a person's login gives, for `put`. */
  readonly login: () => TokenSet
  /** Every grant is revoked: its refresh token is refused from now on, and its access tokens have ended. */
  readonly revoke: () => void
  /** The access tokens so far end before their time; the grants stay. */
  readonly expire: () => void
  /** Whether a resource server takes this access token. */
  readonly accepts: (token: string | Redacted.Redacted) => Effect.Effect<boolean>
  /** How often tokens were asked for. */
  readonly posts: () => number
  /** How often a refresh token came that had been used before. */
  readonly reuses: () => number
  /** The value of every token that it gave. */
  readonly issued: () => ReadonlyArray<string>
}

/** What the fakes share. `window` is for how long a refresh token is taken again, in milliseconds. */
export const makeAuthority = <Step extends FakeDelay>(
  { clock, expiresIn = "1 hour", refreshTokens = "rotate" }: FakeTokenOptions,
  window: number
) => {
  const log: Array<FakeRequest> = []
  const { take, ...script } = makeScript<Step>()
  const life = Duration.toMillis(expiresIn)
  let [count, now] = [0, 0]
  const names = () => {
    count++
    return { access: `access-${count}`, refresh: `refresh-${count}` }
  }
  const rules = { life, rotates: refreshTokens === "rotate", window, alarmEndsAccess: true }
  const grants = new Grants(() => now, rules, names)
  // What a login gives outside of any program has no clock: it lives from when it is first asked about.
  const unseen = new Set<Minted["access"]>()

  const look = Effect.map(clock === undefined ? Clock.currentTimeMillis : clock.currentTimeMillis, (millis) => {
    now = millis
    for (const access of unseen) Object.assign(access, { mintedAt: now, expiresAt: now + life })
    unseen.clear()
  })

  const tokensOf = ({ access, refresh, rotated }: Minted): Tokens => ({
    accessToken: access.value,
    refreshToken: rotated && refreshTokens !== "none" ? refresh.value : undefined,
    expiresIn: Number.isFinite(life) ? Duration.millis(life) : undefined
  })

  /** Notes a request, and does `work` as `step` says; where its answer is lost, it fails with `lost`. */
  const serve = <A, E>(
    request: Omit<FakeRequest, "outcome">,
    step: FakeDelay,
    work: Effect.Effect<A, E>,
    lost: E,
    outcomeOf: (exit: Exit.Exit<A, E>) => string
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const entry = { ...request, outcome: "pending" }
      log.push(entry)
      return pause(step.takes).pipe(
        Effect.zipRight(look),
        Effect.zipRight(Effect.exit(work)),
        Effect.zipLeft(pause(step.answersAfter)),
        Effect.flatMap((done) => (step.lost === true ? Effect.fail(lost) : done)),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const isGivenUp = Exit.isFailure(exit) && Exit.isInterrupted(exit)
            entry.outcome = isGivenUp ? "given up" : step.lost === true ? "lost" : outcomeOf(exit)
          })
        )
      )
    })

  const authority: FakeAuthority<Step> = {
    ...script,
    log,
    login: () => {
      const minted = grants.login(ANYBODY)
      unseen.add(minted.access)
      return TokenSet.make(tokensOf(minted))
    },
    revoke: () => {
      for (const family of grants.families) grants.revoke(family)
    },
    expire: () => {
      for (const access of grants.accessTokens.values()) access.revoked = true
    },
    accepts: (token) =>
      Effect.map(look, () => grants.accepts(Redacted.isRedacted(token) ? Redacted.value(token) : token)),
    posts: () => log.filter(({ by }) => by !== "revoke").length,
    reuses: () => grants.alarms,
    issued: () => [...grants.accessTokens.keys(), ...grants.refreshTokens.keys()]
  }
  return { authority, grants, serve, take, tokensOf }
}

/** Tokens as they are told. */
export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly expiresIn: Duration.Duration | undefined
}

const pause = (length: DurationOption = "0 millis") =>
  Duration.toMillis(length) > 0 ? Effect.sleep(length) : Effect.void

/** Whose a grant is that no client asked for. */
export const ANYBODY = ""

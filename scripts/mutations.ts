/** The refresh protocol, broken on purpose in one place. */
export interface Mutation {
  readonly name: string
  readonly file: string
  /** Found exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** A history that the simulator saw it in. */
  readonly seed?: number
  /** Where the simulator does not see it: the test file that does, and a part of the title. */
  readonly test?: readonly [file: string, title: string]
  /** Why its run does not end, where that is how it is seen. */
  readonly hangs?: string
}

const protocol = "packages/core/src/refresh/RefreshProtocol.ts"
const cache = "packages/core/src/provider/TokenCache.ts"
const renewals = "packages/core/src/provider/RenewalTimer.ts"
const deciding = "packages/core/src/refresh/Decision.ts"
const outcome = "packages/core/src/refresh/Outcome.ts"
const renewalTime = "packages/core/src/refresh/RenewalTime.ts"
const replaced = "packages/core/src/refresh/Replaced.ts"
const digest = "packages/core/src/refresh/SourceDigest.ts"
const requesting = "packages/core/src/refresh/RefreshRequest.ts"
const exchanging = "packages/core/src/refresh/RequestTokens.ts"
const leasing = "packages/core/src/refresh/Lease.ts"
const savings = "packages/core/src/refresh/PendingCommit.ts"
const freshness = "packages/core/src/refresh/Freshness.ts"
const backoff = "packages/core/src/refresh/Backoff.ts"
const flight = "packages/core/src/provider/SingleFlight.ts"
const provider = "packages/core/src/provider/TokenProvider.ts"
const tokenSet = "packages/core/src/model/TokenSet.ts"
const limits = "packages/core/src/model/SourceLimits.ts"
const direct = "packages/core/src/transport/DirectHttpClient.ts"
const availability = "packages/core/src/refresh/StoreAvailability.ts"
const concurrency = "packages/core/src/refresh/ConcurrencyLimit.ts"
const entries = "packages/core/src/provider/CacheEntry.ts"
const within = "packages/core/src/model/Within.ts"
const keys = "packages/core/src/store/EncryptionKeys.ts"
const pool = "packages/core/src/provider/TokenProviders.ts"
const store = "packages/core/src/store/TokenStore.ts"
const memory = "packages/store-memory/src/MemoryTokenStore.ts"

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "present the refresh token in memory, not the one read under the lease",
    file: requesting,
    find: "const request = { key, source, current: record.tokens, newer,",
    replace: "const request = { key, source, current: connection.current?.tokens ?? record.tokens, newer,",
    test: ["packages/core/test/Simulation.test.ts", "the row's, not the one in memory"]
  },
  {
    name: "take the lease whatever changed since",
    file: memory,
    find: "known === undefined ? row.payload === undefined : row.generation === known",
    replace: "true || known === row.generation"
  },
  {
    name: "give the lease while another holds it",
    file: memory,
    find: "const free = row.leaseOwner === undefined ||",
    replace: "const free = true || row.leaseOwner === undefined ||"
  },
  {
    name: "drop the fence: commit without the lease",
    file: memory,
    find: "return row?.leaseOwner === owner && row.generation === generation ? row : undefined",
    replace: "return row?.generation === generation ? row : undefined",
    test: ["packages/store-memory/test/MemoryTokenStore.test.ts", ""]
  },
  {
    name: "drop the fence: commit over a newer generation",
    file: memory,
    find: "if (owned(key, owner, generation) === undefined) return false",
    replace: "if (!rows.has(key)) return false"
  },
  {
    name: "resurrect after a logout: commit where there is no row",
    file: memory,
    find: "if (owned(key, owner, generation) === undefined) return false",
    replace: "if (rows.has(key) && owned(key, owner, generation) === undefined) return false",
    test: ["packages/core/test/Simulation.test.ts", "P10: a logout"]
  },
  {
    name: "hand out what came after a logout",
    file: cache,
    find: "const forgotten = entry.over !== undefined || (failure !== undefined && isForgotten(failure.error))",
    replace: "const forgotten = failure !== undefined && isForgotten(failure.error)",
    test: ["packages/core/test/Simulation.test.ts", "P10: a logout"]
  },
  {
    name: "release by one that is not the owner",
    file: memory,
    find: "const row = owned(key, owner, generation)",
    replace: "const row = rows.get(key)",
    test: ["packages/store-memory/test/MemoryTokenStore.test.ts", ""]
  },
  {
    name: "do not renew the lease",
    file: leasing,
    find: "while (held) {",
    replace: "while (false) {",
    test: ["packages/core/test/Simulation.test.ts", "P5: a lease lasts"]
  },
  {
    name: "send although the lease came late",
    file: leasing,
    find: "const left = lasts - elapsed(since, now)",
    replace: "const left = lasts",
    test: ["packages/core/test/Simulation.test.ts", "P1: a lease whose answer"]
  },
  {
    name: "free the flight before the commit",
    file: cache,
    find: "      entry.flightStarted(flight)\n",
    replace: ""
  },
  {
    name: "treat 503 as dead",
    file: exchanging,
    find: "const error: unknown = failure.value\n",
    replace:
      'if (failure.value._tag === "TokenEndpointError" && failure.value.reason === "unavailable") return Either.left(new GrantRejected({ code: "503" }))\n    const error: unknown = failure.value\n'
  },
  {
    name: "retry at once after a timeout",
    file: exchanging,
    find: "    Metric.trackDurationWith(refreshDuration, Duration.toSeconds),\n",
    replace:
      '    Effect.repeat({ times: 1, while: (answer) => Either.isLeft(answer) && answer.left._tag === "TokenEndpointError" && answer.left.reason === "timeout" }),\n    Metric.trackDurationWith(refreshDuration, Duration.toSeconds),\n'
  },
  {
    name: "take a timeout for no effect",
    file: outcome,
    find: '(error._tag === "TokenEndpointError" && error.isInDoubt)',
    replace: '(error._tag === "TokenEndpointError" && error.reason === "unavailable")'
  },
  {
    name: "write no intent",
    file: protocol,
    find: 'presents: by === "refresh", force, early }',
    replace: "presents: false, force, early }"
  },
  {
    name: "ignore doubt",
    file: deciding,
    find: "row.intentOwner !== owner && !isHeld(situation, row)",
    replace: "row.intentOwner === owner && !isHeld(situation, row)"
  },
  {
    name: "replay while the old token holds",
    file: deciding,
    find: "if (inWindow) return replay\n    return stop",
    replace: 'if (inWindow || source.traits.replay === "once") return replay\n    return stop'
  },
  {
    name: "replay although the source forbids it",
    file: deciding,
    find: 'if (!refreshable || source.traits.replay === "never") return',
    replace: "if (!refreshable) return"
  },
  {
    name: "take a holder's open intent for doubt, and its lease",
    file: memory,
    find: "(row.leaseUntil ?? 0) <= now\n",
    replace: "(row.leaseUntil ?? 0) <= now || force\n"
  },
  {
    name: "present a refused refresh token again",
    file: protocol,
    find: "(record.dead || refused !== undefined) &&",
    replace: "refused !== undefined &&",
    test: ["packages/core/test/Simulation.test.ts", "P1: what another process learnt"]
  },
  {
    name: "ask for a newer token before its source gives one",
    file: deciding,
    find: "if (age === 0 || now >= earliest ||",
    replace: "if (true || age === 0 || now >= earliest ||",
    test: ["packages/core/test/Decision.test.ts", "a young token is left alone"]
  },
  {
    name: "ignore retryAt",
    file: memory,
    find: "=> retryAt <= now || failedAt > now + JITTER",
    replace: "=> retryAt <= now || failedAt <= now + JITTER"
  },
  {
    name: "no back-off after failures in a row",
    file: backoff,
    find: "(delay) => Math.ceil(Math.max(least, Number.isFinite(delay) ? delay : rest(failures), SHORTEST))",
    replace: "() => SHORTEST"
  },
  {
    name: "do not carry the old refresh token forward",
    file: tokenSet,
    find: "refreshToken: this.refreshToken ?? older.refreshToken,",
    replace: "refreshToken: this.refreshToken,"
  },
  {
    name: "a save that fails drops the pair",
    file: savings,
    find: "      connection.saveFailed(pending)\n",
    replace: "      connection.saved()\n",
    test: ["packages/core/test/TokenProvider.test.ts", "P4: where saving fails"]
  },
  {
    name: "cache failures for ever",
    file: cache,
    find: "      const backsOff = isBackingOff(lastFailure, now)",
    replace:
      "      if (lastFailure !== undefined && current === undefined) return yield* lastFailure.error\n      const backsOff = isBackingOff(lastFailure, now)"
  },
  {
    name: "the first caller's interruption kills the flight",
    file: cache,
    find: "        Effect.forkDaemon,\n        Effect.as(flight)",
    replace: "        Effect.fork,\n        Effect.as(flight)"
  },
  {
    name: "serve expired tokens",
    file: freshness,
    find: "token.rejected || now >= token.expiresAt",
    replace: "token.rejected"
  },
  {
    name: "ignore rejections",
    file: cache,
    find: "if (mayRefresh) entry.rejected(current)",
    replace: ""
  },
  {
    name: "a late rejection of an older generation counts",
    file: cache,
    find: "current.rejected || current.token.generation !== generation) return",
    replace: "current.rejected) return",
    test: ["packages/core/test/TokenProvider.test.ts", "P7"]
  },
  {
    name: "compare secrets instead of generations",
    file: cache,
    find: "current.rejected || current.token.generation !== generation) return",
    replace: "current.rejected || current.token.value !== token.value) return",
    test: ["packages/core/test/TokenProvider.test.ts", "P7"]
  },
  {
    name: "a margin larger than the life",
    file: freshness,
    find: "const EARLIEST = 0.45",
    replace: "const EARLIEST = -100",
    test: ["packages/core/test/TokenProvider.test.ts", "P9"]
  },
  {
    name: "no bound on waiting",
    file: flight,
    find: "if (waiter.deadline <= now) {",
    replace: "if (waiter.deadline < 0) {"
  },
  {
    name: "a put does not clear the back-off",
    file: memory,
    find: "write(key, { ...empty(generation), payload, dueAt: after(now, dueIn), scheduledAt: now, refreshedAt: now })",
    replace:
      "write(key, { ...empty(generation), retryAt: rows.get(key)?.retryAt, dead: rows.get(key)?.dead ?? false, payload, dueAt: after(now, dueIn), scheduledAt: now, refreshedAt: now })"
  },
  {
    name: "a dead grant is declared without a look at the row",
    file: requesting,
    find: "if (Option.getOrUndefined(now)?.generation === record.generation) {",
    replace: "if (Option.isSome(now)) {",
    test: ["packages/core/test/TokenProvider.test.ts", "P2"]
  },
  {
    name: "a source that changed waits for those that were refused",
    file: deciding,
    find: "if (situation.changed === true && ",
    replace: "if (false && situation.changed === true && ",
    test: ["packages/core/test/Refused.test.ts", "is asked at once, and one that was refused already is not"]
  },
  {
    name: "ask at once for whatever changes each time",
    file: digest,
    find: "refused === undefined || refused.digests.length >= MOST",
    replace: "refused === undefined",
    test: ["packages/core/test/Refused.test.ts", "credentials that differ each time keep to the back-off"]
  },
  {
    name: "each of many processes goes before its time",
    file: memory,
    find: "(row.failures === early || hasWaited(row, now))",
    replace: "(early !== undefined || hasWaited(row, now))",
    test: ["packages/store-memory/test/MemoryTokenStore.test.ts", "gives it early only to who knows"]
  },
  {
    name: "revoke what nobody knows to be replaced",
    file: savings,
    find: "if (saved.right && pending.replaced !== undefined)",
    replace: "if (pending.replaced !== undefined)",
    test: ["packages/core/test/Traits.test.ts", "nothing is while the store has not taken the newer tokens"]
  },
  {
    name: "leave what a store in memory takes with it",
    file: cache,
    find: 'if (source.traits.revokes === "replaced") kept.atEnd',
    replace: 'if (false && source.traits.revokes === "replaced") kept.atEnd',
    test: ["packages/core/test/Traits.test.ts", "what a store in memory takes with it"]
  },
  {
    name: "revoke the grant that goes on",
    file: replaced,
    find: "const isKept = !isLogin || ",
    replace: "const isKept = ",
    test: ["packages/core/test/Traits.test.ts", "of what a refresh replaced the access token alone is"]
  },
  {
    name: "revoke the token that was answered again",
    file: replaced,
    find: "if (Equal.equals(older.accessToken, newer.accessToken)) return undefined",
    replace: "",
    test: [
      "packages/core/test/Traits.test.ts",
      "an access token that has ended is left, and one that was answered again"
    ]
  },
  {
    name: "let a refresh token end while its access token holds",
    file: renewalTime,
    find: "Math.min(wanted, Math.ceil(allowed))",
    replace: "wanted",
    test: ["packages/core/test/Traits.test.ts", "is renewed before it ends"]
  },
  {
    name: "no background renewal after a failure",
    file: cache,
    find: "if (entry.current !== undefined) renewals.plan(entry, entry.current, Math.max(failure.until, now + SOONEST))",
    replace: "renewals.cancel(entry)"
  },
  {
    name: "a clock that goes back is not noticed",
    file: renewals,
    find: "if (step < -STEP)",
    replace: "if (step < -1e15)"
  },
  {
    name: "a refused call is made again with the same token",
    file: provider,
    find: "if (Equal.equals(next.value, token.value)) return yield* refused",
    replace: "",
    test: ["packages/core/test/TokenProvider.test.ts", "P7"]
  },
  {
    name: "a token endpoint is asked without a look at the lease",
    file: "packages/core/src/oauth2/TokenEndpointClient.ts",
    find: "Effect.zipRight(fence, Effect.mapError(",
    replace: "Effect.zipRight(Effect.void, Effect.mapError(",
    test: ["packages/core/test/Lease.test.ts", "token endpoint"]
  },
  {
    name: "go on after the end",
    file: cache,
    find: "      if (closed) return yield* new ProviderClosed({ key: entry.key })\n",
    replace: "",
    test: ["packages/core/test/Closing.test.ts", "P6"]
  },
  {
    name: "a clock that went back stops repairs",
    file: "packages/core/src/provider/CacheEntry.ts",
    find: "const at = Math.min(this.#permits.at, now)",
    replace: "const at = this.#permits.at",
    test: ["packages/core/test/Closing.test.ts", "P7"]
  },
  {
    name: "replay at once after an outage of the store",
    file: deciding,
    find: "if (grace === 0) return replay",
    replace: "return replay",
    test: ["packages/core/test/Lease.test.ts", "P4"]
  },
  {
    name: "a put that is overtaken by a logout comes back",
    file: cache,
    find: "!isCurrent(entry) || entry.removals !== removals",
    replace: "false",
    test: ["packages/core/test/Overtaken.test.ts", "whose answer comes after a logout"]
  },
  {
    name: "a refused call reports nothing",
    file: provider,
    find: "yield* cache.reject(of, token)\n",
    replace: "yield* Effect.void\n",
    test: ["packages/core/test/TokenProvider.test.ts", "P7"]
  },
  {
    name: "leave whoever was woken among those who wait",
    file: "packages/core/src/provider/Waiters.ts",
    find: "      leave()\n",
    replace: "",
    test: ["packages/core/test/Idle.long.test.ts", "contended for"]
  },
  {
    name: "a pause by a clock that can be set",
    file: limits,
    find: "Number(clock.unsafeCurrentTimeNanos() / 1_000n) / 1_000",
    replace: "clock.unsafeCurrentTimeMillis()",
    test: ["packages/core/test/SourceLimits.test.ts", "by two hours: a pause"]
  },
  {
    name: "keep a place while waiting for another token",
    file: limits,
    find: "        place.waits++\n        leave(place)\n",
    replace: "        place.waits++\n",
    test: ["packages/core/test/SourceLimits.test.ts", "P6: does not wait for itself"]
  },
  {
    name: "let a layer of the HttpClient send a request again",
    file: direct,
    find: "if (first !== undefined) throw",
    replace: "if (first !== undefined && url !== first) throw",
    test: ["packages/core/test/DirectHttpClient.test.ts", "P1"]
  },
  {
    name: "let a layer of the HttpClient follow a redirect",
    file: direct,
    find: "if (first !== undefined) throw",
    replace: "if (first !== undefined && url === first) throw",
    test: ["packages/core/test/DirectHttpClient.test.ts", "P11"]
  },
  {
    name: "read an answer however long it is",
    file: direct,
    find: "(size) => size <= LARGEST,",
    replace: "(size) => size <= LARGEST * 100,",
    test: ["packages/core/test/DirectHttpClient.test.ts", "one MiB"]
  },
  // K1: what dies or is interrupted between the answer and the saved row.
  {
    name: "take a source that died for one that did nothing",
    file: outcome,
    find: '(error._tag === "TokenSourceDefect" || (',
    replace: "(("
  },
  {
    name: "take a source that was interrupted for one that was not asked",
    file: exchanging,
    find: 'return defect("was interrupted by itself")',
    replace: 'return Either.left(new TokenEndpointError({ reason: "unreachable" }))'
  },
  {
    name: "take garbage of a source for a request that did nothing",
    file: exchanging,
    find: 'if (!(value instanceof TokenSet)) return defect("gave no TokenSet; make it with TokenSet.make")',
    replace: 'if (!(value instanceof TokenSet)) return Either.left(new TokenEndpointError({ reason: "unreachable" }))'
  },
  {
    name: "nobody goes on to save",
    file: requesting,
    find: "return Effect.ensuring(saved(connection, record, by, held, refreshRefused), keepSaving(connection))",
    replace: "return saved(connection, record, by, held, refreshRefused)",
    test: ["packages/core/test/Lease.test.ts", "P4: an outage of the store"]
  },
  {
    name: "let a store that throws end the attempt",
    file: availability,
    find: "Effect.matchCauseEffect(Effect.suspend(effect), {",
    replace: "Effect.matchCauseEffect(effect(), {"
  },
  // K2: a handle is its key.
  {
    name: "hand out what an older handle has",
    file: provider,
    find: "    held = cache.entry(of)\n",
    replace: ""
  },
  {
    name: "obtain of an older entry only there",
    file: cache,
    find: "    for (let first = true; ; first = false) {\n      const entry = entryOf(of)\n",
    replace: "    const entry = entryOf(of)\n    for (let first = true; ; first = false) {\n",
    hangs: "a caller whose entry has moved asks that one again and again"
  },
  // K7: what began before a logout or a login changes nothing after it.
  {
    name: "join the flight of before a login or a logout",
    file: entries,
    find: "    next.#permits = this.#permits\n",
    replace: "    next.#permits = this.#permits\n    next.#flight = this.#flight\n"
  },
  // K4: clocks that are set.
  {
    name: "a back-off from a clock that went back lasts",
    file: entries,
    find: "lastFailure.at <= now && now < lastFailure.until",
    replace: "now < lastFailure.until"
  },
  {
    name: "believe a doubt from the future",
    file: deciding,
    find: "intentAt <= now && ",
    replace: "",
    test: ["packages/core/test/Bounds.test.ts", "P1: a doubt"]
  },
  // What a lease says, and generations.
  {
    name: "take a silence of the store for none",
    file: availability,
    find: "else if (isSilence && ",
    replace: "else if (answeredAt === now && ",
    test: ["packages/core/test/Lease.test.ts", "did not ask while it was away"]
  },
  {
    name: "send without a look at the lease",
    file: exchanging,
    find: "Effect.zipRight(lease.fence, asked)",
    replace: "asked"
  },
  {
    name: "adopt a row that is older than what is known",
    file: deciding,
    find: "if (known !== undefined && row.generation < known.generation) return Decision.Restore()",
    replace:
      "if (known !== undefined && row.generation < known.generation && row.tokens === undefined) return Decision.Restore()"
  },
  {
    name: "do not put newer tokens over an older row",
    file: protocol,
    find: "if (current === undefined || row === undefined) return undefined",
    replace: "if (true) return undefined"
  },
  {
    name: "forget how high generations were",
    file: memory,
    find: "row: rows.get(key), floor: highest }",
    replace: "row: rows.get(key) }",
    test: ["packages/store-memory/test/MemoryTokenStore.test.ts", "goes on above every generation it had"]
  },
  {
    name: "two savers a key",
    file: savings,
    find: "if (connection.hasSaver || connection.pending === undefined)",
    replace: "if (connection.pending === undefined)",
    test: ["packages/core/test/Loss.test.ts", "one fiber a key"]
  },
  // Decisions, by their table.
  {
    name: "ask while another process holds the lease",
    file: deciding,
    find: "if (isHeld(situation, row)) return Decision.Wait",
    replace: "if (now < 0) return Decision.Wait",
    test: ["packages/core/test/Decision.test.ts", "P1"]
  },
  {
    name: "take a copy in memory for news",
    file: deciding,
    find: "if (row.isCopy) return false\n",
    replace: "",
    test: ["packages/core/test/Decision.test.ts", "P9"]
  },
  {
    name: "send the refresh token of a dead grant",
    file: deciding,
    find: "if (row.dead === true) {",
    replace: "if (row.dead === true && row.failure === undefined) {",
    test: ["packages/core/test/Decision.test.ts", "P3"]
  },
  {
    name: "ask although the back-off goes on",
    file: deciding,
    find: "if (row.retryAt === undefined || row.retryAt <= now) return next",
    replace: "if (row.retryAt === undefined || row.retryAt >= now) return next",
    test: ["packages/core/test/Decision.test.ts", "P8"]
  },
  {
    name: "take any failure for a dead grant",
    file: outcome,
    find: "dead: final || refreshRefused || row.dead",
    replace: "dead: true",
    test: ["packages/core/test/Outcome.test.ts", "P3"]
  },
  {
    name: "forget that the refresh token was refused before the login failed",
    file: outcome,
    find: "dead: final || refreshRefused || row.dead",
    replace: "dead: final || row.dead",
    test: ["packages/core/test/Outcome.test.ts", "P3"]
  },
  {
    name: "hand the end of an older flight to who came after a login",
    file: entries,
    find: "    next.#permits = this.#permits\n",
    replace: "    next.#permits = this.#permits\n    next.#flight = this.#flight\n",
    test: ["packages/core/test/Overtaken.test.ts", "log out and log in again"]
  },
  {
    name: "take back what the row had, not what is newest",
    file: cache,
    find: "const newest = newestOf(entry, Option.getOrUndefined(kept))",
    replace: "const newest = Option.getOrUndefined(kept)?.tokens",
    test: ["packages/core/test/Overtaken.test.ts", "takes the newest tokens back"]
  },
  {
    name: "believe any number as a time to wait",
    file: backoff,
    find: "Number.isFinite(asked) ? Math.min(Math.max(asked, 0), A_DAY) : 0)",
    replace: "asked)",
    test: ["packages/core/test/Bounds.test.ts", "a time to wait that is no time"]
  },
  {
    name: "measure a wait by a clock that can be set",
    file: protocol,
    find: "const left = Duration.toMillis(policy.wait) - Number((steady - began.steady) / 1_000_000n)",
    replace: "const left = Duration.toMillis(policy.wait) - (steady < 0n ? 1 : wall - began.wall)",
    test: ["packages/core/test/Bounds.test.ts", "neither given nor refused"]
  },
  {
    name: "wait for what cannot be interrupted",
    file: within,
    find: "Effect.interruptible(Effect.disconnect(effect))",
    replace: "Effect.interruptible(effect)",
    test: ["packages/core/test/Bounds.test.ts", "a statement that hangs"]
  },
  {
    name: "one wrap for each who asks",
    file: keys,
    find: "    const known = under.get(name)\n    if (known !== undefined) return restore",
    replace: "    const known = under.get(name)\n    if (false) return restore",
    test: ["packages/core/test/TokenCipher.test.ts", "200 rows"]
  },
  {
    name: "let the lookups of a closed pool wait",
    file: pool,
    find: "return Effect.forEach(under, ([key, made]) =>",
    replace: "return Effect.forEach(new Map<string, never>(), ([key, made]) =>",
    test: ["packages/core/test/Closing.test.ts", "a lookup under way"]
  },
  {
    name: "prove with the nonce of another answer",
    file: "packages/core/src/http/TokenAttempt.ts",
    find: 'const asked = judged.response.headers["dpop-nonce"] ?? nonces.get(origin)',
    replace: "const asked = nonces.get(origin)",
    test: ["packages/core/test/TokenHttpClient.dpop.test.ts", "nonce of its own answer"]
  },
  // K6: after the end.
  {
    name: "end with a refresh under way",
    file: cache,
    find: "const ended = entry.flight?.join(Number.POSITIVE_INFINITY) ?? Effect.void",
    replace: "const ended = Effect.void",
    test: ["packages/core/test/Simulation.test.ts", "P6: a process that ends"]
  },
  {
    name: "a wait goes on after the end began",
    file: entries,
    find: "return this.#isClosed() ? new RefreshFailure({ error: new ProviderClosed({ key }), until: 0 }) : this.change(millis)",
    replace: "return this.change(millis)",
    test: ["packages/core/test/TokenProviders.test.ts", "P6: closing ends the wait"],
    hangs: "the scope of its test waits for a turn that nobody ends"
  },
  // Rows that nobody can help.
  {
    name: "take the longest due first, always",
    file: "packages/core/src/worker/TokenWorker.ts",
    find: "round(note, seen, older === 0)",
    replace: "round(note, seen, false)",
    test: ["packages/store-sql/test/Hopeless.live.test.ts", "SQLite"]
  },
  {
    name: "claim the latest again and again",
    file: memory,
    find: "!latest || row.claims === 0",
    replace: "!latest || row.claims >= 0",
    test: ["packages/store-memory/test/MemoryTokenStore.test.ts", ""]
  },
  // A store that can do less than is asked of it.
  {
    name: "ask as much of a slow store as of a quick one",
    file: concurrency,
    find: "this.limit = Math.max(LEAST, this.limit / 2)",
    replace: "this.limit = MOST",
    test: ["packages/core/test/Overload.test.ts", "has refreshed all"]
  },
  {
    name: "begin at the end what still waits for its turn",
    file: cache,
    find: "[limit.close, finished, written]",
    replace: "[finished, written]",
    test: ["packages/core/test/Overload.test.ts", "begins nothing"]
  },
  {
    name: "let the end pass a put under way",
    file: cache,
    find: "[limit.close, finished, written]",
    replace: "[limit.close, finished]",
    test: ["packages/core/test/Closing.test.ts", "the end waits"]
  },
  {
    name: "forget that a refresh token was refused where the store could not note it",
    file: requesting,
    find: "dead ? { generation, failure } : undefined",
    replace: "undefined",
    test: ["packages/core/test/Refused.test.ts", "not sent again, also"]
  },
  {
    name: "wait on where a clock that went back was seen first",
    file: renewals,
    find: "        plan(entry, current, current.renewAt)",
    replace: "        queue.put(entry, nextLook(current, current.renewAt))",
    test: ["packages/core/test/TokenProviders.test.ts", "while none is due"]
  },
  {
    name: "count from when a row was asked for by a clock that has gone back since",
    file: store,
    find: "?.shifted(wallOf(asked, yield* instant) - now)",
    replace: "?.shifted(asked.wall - now)",
    test: ["packages/core/test/StoreTime.test.ts", "goes back while rows are read"]
  }
]

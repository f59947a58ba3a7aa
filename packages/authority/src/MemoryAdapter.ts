import type { Adapter, AdapterPayload } from "oidc-provider"

interface Row {
  readonly payload: AdapterPayload
  readonly expires: number
}

/**
 * Keeps what one server issued, for as long as it runs. A refresh token can be consumed once: of two requests that
 * present it at the same moment one wins, and the other is a reuse that ends the grant.
 */
export const makeMemoryAdapter = (options: {
  /** For how long a used refresh token is accepted again, in milliseconds. */
  readonly replayWindow: number
  readonly reused: () => Error
}): ((model: string) => Adapter) => {
  const rows = new Map<string, Row>()
  let swept = Date.now()

  const sweep = () => {
    const now = Date.now()
    if (now - swept < 30_000) return
    swept = now
    for (const [key, row] of rows) if (row.expires + 60_000 < now) rows.delete(key)
  }
  const where = (model: string, test: (payload: AdapterPayload) => boolean) =>
    [...rows].find(([key, row]) => key.startsWith(`${model}:`) && test(row.payload))?.[1].payload
  const revokeGrant = (grantId: string, test: (key: string) => boolean) => {
    for (const [key, row] of rows) if (row.payload.grantId === grantId && test(key)) rows.delete(key)
  }

  return (model) => {
    const consumedAt = new Map<string, number>()
    const inWindow = (id: string) => Date.now() < (consumedAt.get(id) ?? 0) + options.replayWindow
    return {
      async upsert(id, payload, expiresIn) {
        sweep()
        rows.set(`${model}:${id}`, {
          payload,
          expires: expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
        })
      },
      async find(id) {
        const payload = rows.get(`${model}:${id}`)?.payload
        return payload !== undefined && inWindow(id) ? { ...payload, consumed: undefined } : payload
      },
      async findByUid(uid) {
        return where(model, (payload) => payload.uid === uid)
      },
      async findByUserCode(userCode) {
        return where(model, (payload) => payload.userCode === userCode)
      },
      async consume(id) {
        const key = `${model}:${id}`
        const row = rows.get(key)
        if (row === undefined) throw options.reused()
        if (row.payload.consumed !== undefined && !inWindow(id)) {
          if (row.payload.grantId !== undefined) {
            revokeGrant(row.payload.grantId, () => true)
            rows.delete(`Grant:${row.payload.grantId}`)
          }
          throw options.reused()
        }
        if (row.payload.consumed === undefined) consumedAt.set(id, Date.now())
        rows.set(key, { ...row, payload: { ...row.payload, consumed: Math.floor(Date.now() / 1000) } })
      },
      async destroy(id) {
        rows.delete(`${model}:${id}`)
      },
      async revokeByGrantId(grantId) {
        revokeGrant(grantId, (key) => key.startsWith(`${model}:`))
      }
    }
  }
}

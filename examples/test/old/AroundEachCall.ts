/** What the Ruby class with procs did, faults included. */
export class AroundEachCall {
  private token: string | undefined
  private retries = 0

  constructor(
    private readonly url: string,
    private readonly headers: Readonly<Record<string, string>>
  ) {}

  async verify(): Promise<unknown> {
    const first = await this.call()
    if (isGood(first)) return first.body
    await this.refresh()
    return (await this.call()).body // whatever it is
  }

  private async call() {
    const headers = { authorization: `Bearer ${this.token}` }
    const answer = await fetch(`${this.url}/verificationUrl`, { headers, signal: AbortSignal.timeout(12_000) })
    return { status: answer.status, body: await answer.json() }
  }

  private async refresh() {
    while (this.retries < 3) {
      const answer = await fetch(`${this.url}/authorize_endpoint`, { method: "POST", headers: this.headers })
      const token = answer.ok ? (await answer.json()).data?.token : undefined
      if (token !== undefined) {
        this.token = token
        return
      }
      this.retries++
    }
    throw new Error("failed to refresh")
  }
}

const isGood = ({
  body,
  status
}: {
  readonly status: number
  readonly body: { status?: unknown; subCode?: unknown }
}) => {
  const subCode = Number(body.subCode ?? 0)
  return status >= 200 && status <= 299 && body.status !== "ERROR" && !(subCode >= 400 && subCode <= 520)
}

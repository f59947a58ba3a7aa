/** What the epics did, faults included: one refresh at a time, and each stream again after it. */
export class ManyStreams {
  readonly dispatched: Array<string> = []
  private refreshing: Promise<void> | undefined
  private refused = 0

  constructor(
    private readonly url: string,
    private accessToken: string,
    private readonly refreshToken: string
  ) {}

  async load(item: string): Promise<void> {
    const answer = await this.ajax(`/items?item=${item}`)
    if (answer.status !== 401) return void this.dispatched.push("LOADED")
    // `takeUntil(LOGGED_OUT)`: it stays silent where the refresh fails.
    this.refreshing ??= this.refresh().finally(() => (this.refreshing = undefined))
    await this.refreshing.then(
      async () => void this.dispatched.push((await this.ajax(`/items?item=${item}`)).ok ? "LOADED" : "FAILED"),
      () => undefined
    )
  }

  private ajax(path: string) {
    return fetch(this.url + path, { headers: { authorization: `Bearer ${this.accessToken}` } })
  }

  private async refresh(): Promise<void> {
    const headers = { "content-type": "application/json" }
    const body = JSON.stringify({ refreshToken: this.refreshToken })
    const answer = await fetch(`${this.url}/refresh`, { method: "POST", headers, body })
    // The 401 of the refresh endpoint comes to the same epic as any other: the counter ends the loop.
    if (answer.status === 401 && ++this.refused < 3) return this.refresh()
    if (!answer.ok) {
      this.dispatched.push("LOGGED_OUT") // whatever was the matter
      throw new Error("logged out")
    }
    this.accessToken = (await answer.json()).accessToken
  }
}

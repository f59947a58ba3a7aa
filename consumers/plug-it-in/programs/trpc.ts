import { createTRPCClient, httpBatchLink } from "@trpc/client"
import { initTRPC } from "@trpc/server"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const { procedure, router } = initTRPC.create()
const appRouter = router({ name: procedure.query(() => "Ada") })

const trpc = createTRPCClient<typeof appRouter>({
  links: [httpBatchLink({ url: `${api}/trpc`, fetch: client.fetch })]
})

export default plug({
  call: () => trpc.name.query(),
  gives: "Ada",
  refusal: "repaired",
  answer: () => ({ body: [{ result: { data: "Ada" } }] })
})

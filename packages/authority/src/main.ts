import { startServer } from "./Server.js"

// The settings come as JSON from `Authority.spawn`. When the pipe from the parent ends, so does this process.
const server = await startServer(JSON.parse(process.argv[2] ?? "{}"))
process.stdout.write(`${server.issuer}\n`)
process.stdin.resume().once("end", () => process.exit(0))

import { setPriority } from "node:os"

// What computes for long lets the live tests beside it go first; this is a thread's own on Linux.
setPriority(5)

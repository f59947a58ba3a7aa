import { seeds } from "./sim/seeds.js"

seeds(851, 1400)

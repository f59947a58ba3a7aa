import { seeds } from "./sim/seeds.js"

seeds(501, 1000)

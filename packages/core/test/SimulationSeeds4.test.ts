import { seeds } from "./sim/seeds.js"

seeds(1501, 2000)

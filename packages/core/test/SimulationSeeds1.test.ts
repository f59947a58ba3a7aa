import { seeds } from "./sim/seeds.js"

seeds(1, 300)

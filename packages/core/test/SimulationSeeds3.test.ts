import { seeds } from "./sim/seeds.js"

seeds(1001, 1500)

import { seeds } from "./sim/seeds.js"

seeds(1401, 2000)

// What the parts of the canvas share: the catalogue of steps, the present document, and what may be done to it.
import { createContext } from "react";

export const Board = createContext(null);

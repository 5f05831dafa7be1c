/**
 * How scripts are divided, as a number that is raised with every change to which units there are, how they are numbered, or
 * what of a state is read back. A state that was written under another number names other statements.
 */
export const DIVISION = 2;

/** Whether the service answers this in place of what the role may not see. */
export const isHiddenArgs = (args: unknown): boolean => args === "hidden";

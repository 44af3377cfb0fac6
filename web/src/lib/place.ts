/** Under which path the service lives: "" or "/scheduler", as <base> says. */
export const rootPath = new URL(document.querySelector("base")?.href ?? "/", location.href).pathname.replace(/\/$/, "");

/** The address of something of the service, for links that leave the pages and for requests. */
export const address = (path: string): string => rootPath + path;

/** What the policy of the page asks of <style> elements. */
export const styleNonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

/** The event before what the page first asks for: changes are heard from there on. */
export const eventsAfter = document.querySelector<HTMLMetaElement>('meta[name="rota-events-after"]')?.content ?? "";

/** Go to the login page, and come back here. */
export function goToLogin(): void {
  const here = location.pathname.slice(rootPath.length) + location.search;
  location.assign(`${rootPath}/login${here === "/" ? "" : `?next=${encodeURIComponent(here)}`}`);
}

/* Asking the server.
 *
 * What belongs here: requests and their errors. What does not: what is asked. */

/** The answer to a path of /api with parameters. */
export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(parameters).toString();
  const answer = await fetch(`/api/${path}${query ? `?${query}` : ""}`, { signal, headers: { Accept: "application/json" } });
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let told = { problem: `The server answered ${answer.status}`, way_out: "" };
  try { told = { ...told, ...JSON.parse(text) }; } catch { /* it was no JSON: the status has to do */ }
  throw new Error(`${told.problem}. ${told.way_out ?? ""}`.trim());
}

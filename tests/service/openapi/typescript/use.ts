// Calls a running service by the types that openapi-typescript makes of /openapi.json, and prints what it
// was answered as one line of JSON. Each "@ts-expect-error" is a mistake that the types have to refuse.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

type Problem = components["schemas"]["Problem"];
declare const process: { argv: [string, string, string, string] };

const [, , baseUrl, picture] = process.argv;
const api = createClient<paths>({ baseUrl });

function refusal(answer: { error?: Problem; response: Response }): object {
  const problem = answer.error;
  if (problem === undefined) throw new Error(`${answer.response.url}: not refused`);
  const { status, code, detail, parameter, accepted } = problem;
  return { answered: answer.response.status, status, code, detail, parameter, accepted };
}

async function main(): Promise<object> {
  const submitted = await api.POST("/upscale", {
    params: { query: { wait: 60.5 } },
    body: { image: picture, filename: "cat.png", scale: 3, quality: "fast", email: "ann@example.org" },
  });
  if (submitted.error) throw new Error(submitted.error.detail);
  const answer = submitted.data;
  if (!("task_id" in answer)) throw new Error("one picture is a task, not a group");
  const status: "CREATED" | "STARTED" | "SUCCESS" | "FAILURE" | "CANCELLED" = answer.status;
  const result = answer.results[0];
  if (result === undefined) throw new Error("without a result");
  const size: [number, number] = [result.width, result.height];

  const path = { id: answer.task_id };
  const again = await api.GET("/tasks/{id}", { params: { path, query: { wait: 0 } } });
  const finished: string | null | undefined = again.data?.finished_at;
  const file = await api.GET("/processed/{name}", {
    params: { path: { name: result.name } },
    parseAs: "arrayBuffer",
  });

  const raw = Uint8Array.from(atob(picture), (each) => each.charCodeAt(0));
  const put = await api.PUT("/upscale", {
    params: { query: { filename: "dog.png", wait: 60 } },
    body: "",
    bodySerializer: () => raw,
    headers: { "Content-Type": "application/octet-stream" },
  });

  const missing = await api.GET("/tasks/{id}", { params: { path: { id: "0".repeat(32) } } });
  const broken = await api.POST("/upscale", { body: { image: btoa("no picture") } });
  const wrong = await api.POST("/upscale", {
    // @ts-expect-error There is no network for it.
    body: { image: picture, scale: 7 },
  });
  // @ts-expect-error A task needs its id.
  const noId = () => api.GET("/tasks/{id}", {});
  // @ts-expect-error No such route.
  const noRoute = () => api.GET("/nothing-of-the-kind");
  // @ts-expect-error A code is a string.
  const noNumber = () => (missing.error?.code ?? 0) + 1 === 2;
  void [noId, noRoute, noNumber];

  return {
    status,
    name: answer.name,
    size,
    bytes: result.bytes,
    finished: finished === answer.finished_at,
    file: file.data?.byteLength,
    put: put.data && "task_id" in put.data ? put.data.results.map((each) => each.width) : put.error,
    refused: [missing, broken, wrong].map(refusal),
  };
}

main().then((said) => console.log(JSON.stringify(said)));

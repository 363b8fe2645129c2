// Model versions, which one is live, and the ways to another one.

import { api, attempt, byId, figure, fill, h, maybe, number, percent, when } from "./common.js";

const EVERY = 1000; // milliseconds between two looks at a job
const NONE = "There is no version yet: “Retrain” or `recsys train` makes the first.";
const OVER = ["done", "failed"];

async function list() {
  const { live, versions, experiment } = await api("models");
  fill("versions", versions.toReversed().map((version) => row(version, live)));
  byId("rollback").disabled = live === null;
  fill("experiment", versions.length === 0 ? NONE : experiment === null ? "" : verdict(experiment));
}

function row(version, live) {
  const shown = version.metrics.shown ?? {};
  const { traffic } = version;
  const interval = traffic.confidence ? ` (${traffic.confidence.map(percent).join(" to ")})` : "";
  return h("tr", { "data-version": version.version },
    h("th", { scope: "row" }, version.version),
    h("td", {}, version.version === live ? h("strong", {}, "live") : version.status),
    h("td", {}, when(version.until) ?? "–"),
    ...["auc", "ndcg@10", "log_loss"].map((name) => h("td", {}, figure(shown[name]))),
    h("td", {}, traffic.impressions ? `${percent(traffic.ctr)}${interval} of ${number(traffic.impressions)}` : "–"),
    h("td", {}, version.reason ?? ""),
    h("td", {}, version.version === live ? null : promoting(version.version)));
}

function verdict({ version, live, share, difference, confidence, significant }) {
  const who = `Experiment: ${version} has ${percent(share)} of the readers beside ${live}`;
  if (difference === null) return `${who}; too little was seen to compare.`;
  const interval = confidence === null ? "" : ` (${confidence.map(points).join(" to ")})`;
  const sure = { true: "significant", false: "not significant", null: "too little was seen to call that significant" };
  return `${who}; its CTR differs by ${points(difference)} points${interval}: ${sure[significant]}.`;
}

const points = (value) => (100 * value).toFixed(1);

function promoting(version) {
  const button = h("button", { type: "button", ariaLabel: `Promote ${version}` }, "Promote");
  button.addEventListener("click", () => act(`Make ${version} live?`, `models/${encodeURIComponent(version)}/promote`));
  return button;
}

function act(question, path) {
  if (window.confirm(question)) attempt(async () => {
    await api(path, { method: "POST" });
    await list();
  });
}

/** Ask for a retraining, or follow the one that waits or runs already. */
async function retrain() {
  const { job_id } = await api("retrain", { method: "POST" }).catch((error) => {
    if (error.problem?.job_id) return error.problem;
    throw error;
  });
  await watch(job_id);
}

async function watch(job_id) {
  byId("retrain").disabled = true;
  try {
    await follow(job_id);
  } finally {
    byId("retrain").disabled = false;
  }
  await list();
}

async function follow(job_id) {
  for (;;) {
    const job = await again(`jobs/${encodeURIComponent(job_id)}`);
    const { stage, done, total } = job.progress ?? {};
    const part = total ? ` ${number(done)} of ${number(total)}` : "";
    fill("job", job.status === "running" ? `${stage ?? "running"}${part}` : job.error ?? job.result?.why ?? job.status);
    if (OVER.includes(job.status)) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

/** Ask until there is an answer: a job of hours outlasts a server that is busy, or away for a moment. */
async function again(path) {
  for (;;) {
    try {
      return await api(path);
    } catch (error) {
      if (error.status !== undefined && error.status < 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }
}

async function begin() {
  await list();
  const { jobs: [newest] } = await maybe("jobs?limit=1", { jobs: [] });
  if (newest && !OVER.includes(newest.status)) await watch(newest.job_id);
}

byId("retrain").addEventListener("click", () => attempt(retrain));
byId("rollback").addEventListener("click", () => act("Go back to the version that was live before?", "models/rollback"));
attempt(begin);

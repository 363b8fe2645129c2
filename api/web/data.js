// What the database holds, and the usual troubles with it.

import { api, attempt, bar, byId, fill, h, number, when } from "./common.js";

async function show() {
  const data = await api("data");
  const { first, last } = data.log;
  fill("about", ...(first ? ["The log reaches from ", when(first), " to ", when(last), "."] : ["The log is empty: POST events, or import a log."]));
  fill("counts", Object.entries({
    "articles in the catalogue": data.articles.catalogue,
    "of them without any content": data.articles.undescribed,
    readers: data.log.readers,
    "lists seen": data.log.impressions,
    clicks: data.log.clicks,
  }).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, number(value)))));
  fill("contents", data.contents.map((content) => h("tr", {},
    h("th", { scope: "row" }, content.modality),
    ...[content.encoder, number(content.ok), number(content.missing), number(content.broken)].map((text) => h("td", {}, text)))));
  const most = Math.max(...data.sections.map(({ articles }) => articles), 0);
  fill("sections", data.sections.map(({ section, articles }) => bar(section, articles, most, number(articles))));
}

async function examine() {
  byId("examine").disabled = true;
  fill("examined", "Looking …");
  try {
    const { findings } = await api("findings");
    fill("examined", findings.length ? `${findings.length} found.` : "Nothing is wrong as far as this can tell.");
    fill("findings", findings.map(({ severity, what, do: todo }) =>
      h("li", {}, h("strong", { className: severity === "error" ? "against" : "" }, `${severity}: `), what, h("p", { className: "soft" }, todo))));
  } catch (error) {
    fill("examined", "");
    throw error;
  } finally {
    byId("examine").disabled = false;
  }
}

byId("examine").addEventListener("click", () => attempt(examine));
attempt(show);

// The neighbours of an article, of a text or of a picture, side by side for each thing that can be compared.

import { api, asked, attempt, bar, byId, figure, fill, h, link, maybe, picture, remember, when } from "./common.js";

const BY = ["fused", "title", "image"];
const MOST = 10; // neighbours of each kind
const form = byId("ask");
const search = byId("search");
const HIDDEN = { articles: [] }; // what a key sees that may not see the data
let turn = 0; // what was asked for: an answer that comes late must not replace a newer one

async function inspect(id) {
  const mine = ++turn;
  const place = `articles/${encodeURIComponent(id)}`;
  const [article, ...found] = await Promise.all([api(place), ...BY.map((by) => similar(place, by))]);
  if (mine !== turn) return;
  remember("article", id);
  fill("article", shown(article));
  fill("about", "Cosines; each column ranks all articles in its own way.");
  fill("columns", BY.map((by, i) => column(by, found[i].items, found[i].why)));
}

/** The neighbours by one comparison, or why the live model cannot make it. */
async function similar(place, by) {
  try {
    return { items: (await api(`${place}/similar?by=${by}&limit=${MOST}`)).items, why: "It has no vector of this kind." };
  } catch (error) {
    if (error.status === 422) return { items: [], why: error.message };
    throw error;
  }
}

async function look() {
  const mine = ++turn;
  const text = search.elements.text.value.trim();
  const [file] = search.elements.image.files;
  fill("about", "Searching; the first search loads the encoders.");
  const body = { limit: MOST, ...(text && { text }), ...(file && { image: await dataUrl(file) }) };
  const found = await api("search", { method: "POST", body }).catch((error) => {
    if (mine === turn) fill("about", "");
    throw error;
  });
  if (mine !== turn) return;
  fill("article");
  fill("about", `By ${found.by.join(" and ")}.`);
  fill("columns", column("nearest articles", found.items, "Nothing was found."));
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

function shown(article) {
  return h("div", { className: "card" },
    picture(article.image_url),
    h("div", {},
      h("h2", {}, article.title ?? article.article_id),
      h("p", { className: "soft" }, [article.article_id, article.section].filter(Boolean).join(" · "), " ", when(article.published_at)),
      article.summary ? h("p", {}, article.summary) : null));
}

function column(by, items, otherwise) {
  return h("section", { "data-by": by },
    h("h2", {}, by),
    items.length ? null : h("p", { className: "soft" }, otherwise),
    h("ol", { className: "cards" }, items.map((item) => h("li", { className: "card" },
      picture(item.image_url),
      h("div", {},
        h("h3", {}, link(item.article_id, item.title ?? item.article_id)),
        h("ul", { className: "bars" }, bar("", item.similarity, 1, figure(item.similarity))))))));
}

async function open(article) {
  form.elements.article.value = article;
  if (article) return inspect(article);
  turn++;
  for (const id of ["article", "about", "columns"]) fill(id);
}

/** Names to choose from; the first of them where nothing was asked for until they are there. */
async function offer() {
  const { articles } = await maybe("newest", HIDDEN);
  fill("articles", articles.map(({ article_id, title }) => h("option", { value: article_id, label: title ?? article_id })));
  if (turn > 0 || form.elements.article.value !== "" || articles === HIDDEN.articles) return;
  if (articles.length) await open(articles[0].article_id);
  else fill("about", "There is no article with a title yet: import some, or PUT them to the API.");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => inspect(form.elements.article.value.trim()));
});
search.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(look);
});
window.addEventListener("popstate", () => attempt(() => open(asked("article") ?? "")));
if (asked("article")) attempt(() => open(asked("article")));
offer().catch((error) => attempt(() => { throw error; }));

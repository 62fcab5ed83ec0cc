// Terms and their values, side by side.

/** @param {[term: string, value: string, kind?: string][]} figures */
export function showFigures(list, figures) {
  const print = JSON.stringify(figures);
  if (list.dataset.print === print) return;
  list.dataset.print = print;
  list.replaceChildren(...figures.map(figure));
}

function figure([term, value, kind]) {
  const group = document.createElement("div");
  const name = document.createElement("dt");
  const text = document.createElement("dd");
  const isolated = document.createElement("bdi");
  group.className = kind ?? "";
  name.textContent = term;
  isolated.textContent = value;
  text.append(isolated);
  group.append(name, text);
  return group;
}

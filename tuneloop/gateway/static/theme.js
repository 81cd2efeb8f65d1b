// Runs before the page is drawn, so that it never flashes in the other theme.
"use strict";
{
  const chosen = localStorage.getItem("tuneloop-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}

// A person says the token once. It goes by `fetch`, so that no history keeps its address.

const input = document.getElementById("token");
const wrong = document.getElementById("wrong");

if (new URLSearchParams(location.search).has("token")) {
  history.replaceState(null, "", location.pathname + location.hash);
  wrong.textContent = "What the address said is no token of this sidecar.";
}

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch(`/feedback?limit=1&token=${encodeURIComponent(input.value)}`, { cache: "no-store" });
    if (answer.ok) {
      location.reload();
      return;
    }
    wrong.textContent = answer.status === 401 ? "That is no token of this sidecar." : (await answer.json()).error.message;
  } catch {
    wrong.textContent = "The sidecar cannot be reached.";
  }
  input.select();
});

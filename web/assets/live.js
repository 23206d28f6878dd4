// Keeps a page current: when something changed, the same page is fetched and its
// middle replaced. Without this script the page is the same, as of when it was loaded.
"use strict";
(() => {
	const live = document.getElementById("live");
	let seq = document.body.dataset.seq, late = false, under = false;

	// Ages grow while nothing changes.
	const units = (s) => {
		const two = (n, u, m, v) => m === 0 || n >= 10 ? `${n} ${u}` : `${n} ${u} ${m} ${v}`;
		if (s < 60) return `${Math.floor(s)} s`;
		if (s < 3600) return `${Math.floor(s / 60)} min`;
		if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "min");
		return two(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
	};
	const age = () => {
		for (const t of document.querySelectorAll("time[datetime]")) {
			const s = (Date.now() - Date.parse(t.dateTime)) / 1000;
			t.textContent = s >= 2 ? `${units(s)} ago` : s >= 0 ? "just now" : s > -2 ? "now" : `in ${units(-s)}`;
		}
	};
	setInterval(age, 10000);

	// Whoever is filling in a form or has selected text is not disturbed.
	const busy = () => {
		const at = document.activeElement, main = document.getElementById("main");
		if (at && main.contains(at) && at.matches("input, select, textarea")) return true;
		const s = getSelection();
		return s && !s.isCollapsed && main.contains(s.anchorNode);
	};

	const renew = async () => {
		if (busy() || under) { late = true; return; }
		late = false;
		under = true;
		try {
			const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
			if (!answer.ok) return;
			const next = new DOMParser().parseFromString(await answer.text(), "text/html");
			if (busy()) { late = true; return; }
			const open = new Set([...document.querySelectorAll("main details[open] > summary")].map((s) => s.textContent));
			const focus = document.activeElement && document.activeElement.getAttribute("href");
			document.getElementById("main").replaceWith(next.getElementById("main"));
			document.querySelector("header nav").replaceWith(next.querySelector("header nav"));
			document.title = next.title;
			seq = document.body.dataset.seq = next.body.dataset.seq;
			for (const s of document.querySelectorAll("main details > summary")) if (open.has(s.textContent)) s.parentElement.open = true;
			if (focus) for (const a of document.querySelectorAll("a[href]")) if (a.getAttribute("href") === focus) { a.focus({ preventScroll: true }); break; }
			live.textContent = "Live.";
			age();
		} catch {
			live.textContent = "Not live: the daemon does not answer.";
		} finally {
			under = false;
		}
	};
	document.addEventListener("focusout", () => { if (late) setTimeout(() => { if (late) renew(); }, 300); });

	// Problem pages and the sign-in stay as they are.
	if (document.querySelector("form.login")) return;
	const events = new EventSource(document.body.dataset.events);
	events.addEventListener("change", (e) => {
		live.textContent = "Live.";
		if (String(JSON.parse(e.data).seq) !== seq) renew();
	});
	events.onopen = () => { live.textContent = "Live."; };
	events.onerror = () => { live.textContent = "Not live: the daemon does not answer."; };
	addEventListener("pagehide", () => events.close());

	document.addEventListener("keydown", (e) => {
		if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || document.activeElement.matches("input, select, textarea")) return;
		e.preventDefault();
		document.getElementById("find").focus();
	});
})();

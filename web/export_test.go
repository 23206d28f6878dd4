package web

// Year is the page over a year of a large site, for the browser.
var Year = year

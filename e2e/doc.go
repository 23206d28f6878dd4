// Package e2e proves repwatch against the servers that mail runs on: rbldnsd,
// unbound, NSD, Postfix and Exim, not imitations of them. Its tests need what
// scripts/test-deps provides; without it they say NOT RUN, and fail where CI is set.
package e2e

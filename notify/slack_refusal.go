package notify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/slack-go/slack"
)

// slackVerdict is what a refusal of Slack asks for. Each has an answer.
type slackVerdict uint8

const (
	slackAgain     slackVerdict = iota // busy or broken there, or nothing heard: try again
	slackDenied                        // token or scopes: somebody must act
	slackNoChannel                     // the channel cannot be posted to: use the fallback
	slackTooMuch                       // form or length: say it more plainly
	slackNoRoot                        // the message to edit or to reply to is gone
	slackNoEdit                        // it is there, but must not be edited
	slackOther                         // anything else: held until somebody looks
)

// slackCodes sorts the errors of chat.postMessage, chat.update and conversations.*.
// https://docs.slack.dev/reference/methods/chat.postMessage#errors
var slackCodes = map[slackVerdict][]string{
	slackAgain: {"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "update_failed"},
	slackDenied: {"invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed", "missing_scope", "no_permission",
		"not_allowed_token_type", "org_login_required", "ekm_access_denied", "access_denied", "accesslimited", "team_access_not_granted", "two_factor_setup_required"},
	slackNoChannel: {"channel_not_found", "is_archived", "not_in_channel", "restricted_action", "restricted_action_read_only_channel",
		"restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "restricted_action_thread_locked", "channel_type_not_supported", "messages_tab_disabled", "is_inactive", "user_not_in_channel"},
	slackTooMuch: {"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_too_long", "msg_blocks_too_long", "too_many_attachments",
		"attachment_payload_limit_exceeded", "no_text", "invalid_arguments", "markdown_text_conflict", "block_mismatch"},
	slackNoRoot: {"message_not_found", "thread_not_found", "invalid_thread_ts", "cannot_reply_to_message", "message_not_owned_by_app"},
	slackNoEdit: {"edit_window_closed", "cant_update_message", "cant_edit_posted_message", "cant_broadcast_message", "is_locked"},
}

// slackRefusal is a failed call, read.
type slackRefusal struct {
	verdict slackVerdict
	code    string
	err     *Error // what becomes of the alert where nothing better is found
}

// readSlack reads the error of a call; method is for the words.
func readSlack(method string, err error) slackRefusal {
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return slackRefusal{slackAgain, "ratelimited", &Error{Kind: Retry, After: max(limited.RetryAfter, slackPace), Words: "Slack asks us to wait", Refused: true}}
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		e := &Error{Kind: Retry, Words: fmt.Sprintf("%s: HTTP %d %s", method, status.Code, http.StatusText(status.Code))}
		e.Refused = status.Code < 500 && status.Code != http.StatusRequestTimeout
		if status.Code == http.StatusTooManyRequests {
			e.After = slackNoTime
		}
		return slackRefusal{slackAgain, "", e}
	}
	said, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok { // no connection, no answer, or one that is not JSON
		e := unreachable(err)
		e.Words = method + ": " + e.Words
		return slackRefusal{slackAgain, "", e}
	}
	r := slackRefusal{verdict: slackOther, code: said.Err}
	for v, codes := range slackCodes {
		if slices.Contains(codes, said.Err) {
			r.verdict = v
		}
	}
	r.err = r.explain(method, said)
	return r
}

// slackNoTime is waited after a 429 without Retry-After: Slack's limits are per minute.
const slackNoTime = 60 * slackPace

func (r slackRefusal) explain(method string, said slack.SlackErrorResponse) *Error {
	e := &Error{Words: fmt.Sprintf("Slack refused %s: %s", method, r.code), Refused: true}
	switch r.verdict {
	case slackAgain: // internal_error and fatal_error may come after the work was done
		e.Kind, e.Refused = Retry, r.code == "ratelimited" || r.code == "rate_limited" || r.code == "message_limit_exceeded"
		if e.Refused {
			e.After = slackNoTime
		}
	case slackDenied:
		e.Kind, e.Hint = Stop, slackDeniedHint(r.code, said.Needed)
	case slackNoChannel:
		e.Kind, e.Hint = Hold, slackChannelHint(r.code)
	case slackTooMuch, slackNoRoot, slackNoEdit:
		e.Kind, e.After = Skip, retryRefused
	default:
		e.Kind, e.Hint = Hold, "docs.slack.dev explains the code; repwatch notify test tries again"
	}
	return e
}

func slackDeniedHint(code, needed string) string {
	switch {
	case code == "missing_scope" && needed != "":
		return "add the scope " + needed + " under OAuth & Permissions, reinstall the app, then run repwatch notify test"
	case code == "missing_scope":
		return "add the scopes of docs/slack-app.md under OAuth & Permissions and reinstall the app"
	case code == "account_inactive", code == "token_revoked", code == "token_expired":
		return "the app was removed or its token revoked: install it again, put the new bot token (xoxb-) into notify.slack.token and reload"
	case code == "invalid_auth", code == "not_authed", code == "not_allowed_token_type":
		return "notify.slack.token must be the app's bot token (xoxb-); correct it and reload"
	default:
		return "an administrator of the workspace must allow the app"
	}
}

func slackChannelHint(code string) string {
	switch code {
	case "is_archived":
		return "unarchive the channel, or name another in notify.slack.channel"
	case "not_in_channel", "user_not_in_channel":
		return "invite the app: /invite @repwatch in the channel"
	case "channel_not_found":
		return "name the channel by its id in notify.slack.channel; the app must be invited to a private one"
	default:
		return "allow the app to post in the channel, or name another in notify.slack.channel"
	}
}

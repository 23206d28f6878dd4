package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// SlackFile is a file that was uploaded. It is in a channel once the upload was completed.
type SlackFile struct {
	ID, Name, Alt, Title string
	Channel, ThreadTS    string
	Data                 []byte
	length               int
}

// uploadPath is where files are sent to, followed by their id.
const uploadPath = "/upload/v1/"

// getUploadURL begins an upload.
// https://docs.slack.dev/reference/methods/files.getUploadURLExternal
func (s *Slack) getUploadURL(form url.Values) slackAnswer {
	length, err := strconv.Atoi(form.Get("length"))
	if err != nil || length <= 0 || form.Get("filename") == "" {
		return slackNo("invalid_arguments")
	}
	f := &SlackFile{ID: fmt.Sprintf("F%08d", len(s.files)+1), Name: form.Get("filename"), Alt: form.Get("alt_txt"), length: length}
	s.files = append(s.files, f)
	return slackAnswer{fields: map[string]any{"upload_url": "http://" + s.host() + uploadPath + f.ID, "file_id": f.ID}}
}

// serveUpload takes a file's bytes; one of another length than was announced is refused.
func (s *Slack) serveUpload(w http.ResponseWriter, r *http.Request) {
	part, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer part.Close()
	data, err := io.ReadAll(part)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fileOf(strings.TrimPrefix(r.URL.Path, uploadPath))
	if err != nil || f == nil || len(data) != f.length {
		http.Error(w, "no such upload, or of another length", http.StatusBadRequest)
		return
	}
	f.Data = data
	fmt.Fprint(w, "OK - ", len(data))
}

// completeUpload shares what was uploaded.
// https://docs.slack.dev/reference/methods/files.completeUploadExternal
func (s *Slack) completeUpload(form url.Values) slackAnswer {
	var files []struct{ ID, Title string }
	if err := json.Unmarshal([]byte(form.Get("files")), &files); err != nil || len(files) != 1 {
		return slackNo("invalid_arguments")
	}
	f := s.fileOf(files[0].ID)
	channel := s.channels[form.Get("channel_id")] // a name is refused here
	switch {
	case f == nil || f.Data == nil:
		return slackNo("file_not_found")
	case channel == nil:
		return slackNo("channel_not_found")
	}
	f.Title, f.Channel, f.ThreadTS = files[0].Title, channel.id, form.Get("thread_ts")
	return slackAnswer{fields: map[string]any{"files": []map[string]string{{"id": f.ID, "title": f.Title}}}}
}

func (s *Slack) fileOf(id string) *SlackFile {
	for _, f := range s.files {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// Files are those that were shared, in order.
func (s *Slack) Files() (out []SlackFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.Channel != "" {
			out = append(out, *f)
		}
	}
	return out
}

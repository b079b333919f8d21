// Redirects a user to a file. `userOf` reads your session, `mayRead` is your rule. Register it, in Go 1.22 or newer,
// with http.HandleFunc("GET /files/{name}", download).
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
	"unicode/utf8"
)

var client = &http.Client{Timeout: 5 * time.Second}

var errRejectedPath = errors.New("Postern rejects the path")

func download(w http.ResponseWriter, r *http.Request) {
	user, name := userOf(r), r.PathValue("name")
	// Everyone who has the link can open the file, so no cache and no other site may get it.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if user == "" {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	// JSON would replace other bytes.
	if !utf8.ValidString(name) || !mayRead(user, name) {
		http.NotFound(w, r)
		return
	}
	url, err := issue(r, "/download/"+name, user)
	if err != nil {
		log.Print("Postern issued no token: ", err)
	}
	if errors.Is(err, errRejectedPath) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The file is not available.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, url, http.StatusSeeOther)
}

func issue(r *http.Request, path, user string) (string, error) {
	token, _ := json.Marshal(map[string]string{"path": path, "subject": user})
	api := os.Getenv("POSTERN_API") + "/tokens"
	request, err := http.NewRequestWithContext(r.Context(), "POST", api, bytes.NewReader(token))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("POSTERN_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var issued struct {
		URL    string
		Code   string
		Errors []struct{ Pointer, Detail string }
	}
	err = json.NewDecoder(answer.Body).Decode(&issued)
	for _, one := range issued.Errors {
		if one.Pointer == "#/path" {
			return "", fmt.Errorf("%w: %s", errRejectedPath, one.Detail)
		}
	}
	if answer.StatusCode != http.StatusCreated || issued.URL == "" {
		return "", errors.New(answer.Status + " " + issued.Code)
	}
	return issued.URL, err
}

package main

import (
	"net/http"
	"os"
)

func userOf(r *http.Request) string {
	cookie, err := r.Cookie("user")
	if err != nil {
		return ""
	}
	return cookie.Value
}

func mayRead(user, name string) bool { return user == "42" && name == "hello.txt" }

func main() {
	http.HandleFunc("GET /files/{name}", download)
	http.HandleFunc("GET /test-login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "user", Value: "42"})
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

from django.conf import settings
from django.db import models


class Document(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False)
    # As the user named it. Django may store the file under another name.
    name = models.CharField(max_length=255, editable=False)
    file = models.FileField(upload_to="documents/")
    preview = models.ImageField(upload_to="previews/", blank=True)

    def download_url(self):
        return self.file.storage.url(self.file.name, parameters={"filename": self.name})

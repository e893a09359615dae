/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An SFU inside of a C program, and a word for everybody who comes.
 *
 *   cc examples/embed_sfu.c -o embed_sfu $(pkg-config --cflags --libs gstreamer-1.0)
 *   GST_PLUGIN_PATH=target/release ./embed_sfu ws://127.0.0.1:8080 lobby
 *
 * Start `gst-rtc serve` before, and open its room in two browsers: they see each other through this program.
 */

#include <glib-unix.h>
#include <gst/gst.h>
#include <stdio.h>

static void
on_joined (GstElement *sfu, const gchar *room, const gchar *id, const gchar *name, gpointer data)
{
  g_print ("%s joined %s\n", name, room);
}

static void
on_left (GstElement *sfu, const gchar *room, const gchar *id, const gchar *name, gpointer data)
{
  g_print ("%s left %s\n", name, room);
}

static void
on_track (GstElement *sfu, const gchar *room, const gchar *who, const gchar *track,
    const gchar *kind, const gchar *codec, gpointer data)
{
  g_print ("%s sends %s in %s\n", who, track, codec);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    g_main_loop_quit (data);
  } else if (gst_message_has_name (message, "rtcsfu-signaller-connected")) {
    g_print ("ready\n");
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char *argv[])
{
  GMainLoop *loop;
  GstElement *pipeline, *sfu;
  GObject *signaller = NULL;
  GstBus *bus;

  setvbuf (stdout, NULL, _IOLBF, 0);
  gst_init (&argc, &argv);
  loop = g_main_loop_new (NULL, FALSE);
  sfu = gst_element_factory_make ("rtcsfu", "sfu");
  if (sfu == NULL) {
    g_printerr ("no element rtcsfu: set GST_PLUGIN_PATH to the folder of libgstrtcsfu.so\n");
    return 1;
  }
  g_object_set (sfu, "room", argc > 2 ? argv[2] : "lobby", NULL);
  g_object_get (sfu, "signaller", &signaller, NULL);
  g_object_set (signaller, "uri", argc > 1 ? argv[1] : "ws://127.0.0.1:8080", NULL);
  g_object_unref (signaller);
  g_signal_connect (sfu, "participant-joined", G_CALLBACK (on_joined), NULL);
  g_signal_connect (sfu, "participant-left", G_CALLBACK (on_left), NULL);
  g_signal_connect (sfu, "track-added", G_CALLBACK (on_track), NULL);

  pipeline = gst_pipeline_new ("embedded");
  gst_bin_add (GST_BIN (pipeline), sfu);
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, loop);
  g_unix_signal_add (SIGINT, on_interrupt, loop);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_main_loop_run (loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_main_loop_unref (loop);
  return 0;
}
